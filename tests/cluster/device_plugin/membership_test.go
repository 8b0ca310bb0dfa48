package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const patience = 10 * time.Second

// kubelet takes registrations, as the real one does on a socket of the same name.
type kubelet struct {
	v1beta1.UnimplementedRegistrationServer
	server     *grpc.Server
	registered chan *v1beta1.RegisterRequest
}

func (k *kubelet) Register(_ context.Context, request *v1beta1.RegisterRequest) (*v1beta1.Empty, error) {
	k.registered <- request
	return &v1beta1.Empty{}, nil
}

// startKubelet empties the folder first, as the real one does.
func startKubelet(t *testing.T, folder string) *kubelet {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range left {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	listener, err := net.Listen("unix", filepath.Join(folder, "kubelet.sock"))
	if err != nil {
		t.Fatal(err)
	}
	k := &kubelet{server: grpc.NewServer(), registered: make(chan *v1beta1.RegisterRequest, 8)}
	v1beta1.RegisterRegistrationServer(k.server, k)
	go k.server.Serve(listener)
	t.Cleanup(k.server.Stop)
	return k
}

// kill leaves the socket behind, as SIGKILL does.
func (k *kubelet) kill(t *testing.T, folder string) {
	t.Helper()
	path := filepath.Join(folder, "kubelet.sock")
	if err := os.Rename(path, path+".kept"); err != nil {
		t.Fatal(err)
	}
	k.server.Stop()
	if err := os.Rename(path+".kept", path); err != nil {
		t.Fatal(err)
	}
}

func (k *kubelet) next(t *testing.T) *v1beta1.RegisterRequest {
	t.Helper()
	select {
	case request := <-k.registered:
		return request
	case <-time.After(patience):
		t.Fatal("nobody registered")
		return nil
	}
}

// startPlugin returns a function that ends it and waits until it has ended.
func startPlugin(t *testing.T, folder string) func() {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		newMembership(folder, "nvidia.com/gpu", newPlugin(3)).keep(ctx)
	}()
	stop := func() { cancel(); <-ended }
	t.Cleanup(stop)
	return stop
}

func dial(t *testing.T, folder, endpoint string) v1beta1.DevicePluginClient {
	t.Helper()
	address := "unix://" + filepath.Join(folder, endpoint)
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { connection.Close() })
	return v1beta1.NewDevicePluginClient(connection)
}

func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestItRegistersWithAKubeletThatComesLater(t *testing.T) {
	folder := t.TempDir()
	startPlugin(t, folder)

	request := startKubelet(t, folder).next(t)

	if request.ResourceName != "nvidia.com/gpu" || request.Version != v1beta1.Version {
		t.Fatalf("registered as %v", request)
	}
}

func TestItRegistersAnewWhenTheKubeletRestarts(t *testing.T) {
	folder := t.TempDir()
	first := startKubelet(t, folder)
	startPlugin(t, folder)
	first.next(t)

	first.kill(t, folder)
	request := startKubelet(t, folder).next(t)

	if _, err := dial(t, folder, request.Endpoint).GetDevicePluginOptions(soon(t), &v1beta1.Empty{}); err != nil {
		t.Fatal(err)
	}
}

func TestItRegistersOnceWithEachKubelet(t *testing.T) {
	folder := t.TempDir()
	k := startKubelet(t, folder)
	startPlugin(t, folder)
	k.next(t)

	select {
	case <-k.registered:
		t.Fatal("registered again")
	case <-time.After(4 * lookEvery):
	}
}

func TestItTellsItsDevicesUntilItEnds(t *testing.T) {
	folder := t.TempDir()
	k := startKubelet(t, folder)
	stop := startPlugin(t, folder)
	stream, err := dial(t, folder, k.next(t).Endpoint).ListAndWatch(soon(t), &v1beta1.Empty{})
	if err != nil {
		t.Fatal(err)
	}

	list, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	stop()
	_, end := stream.Recv()

	if len(list.Devices) != 3 || list.Devices[2].ID != "GPU-2" || list.Devices[2].Health != v1beta1.Healthy {
		t.Fatalf("told %v", list)
	}
	if end == nil {
		t.Fatal("the stream goes on without the plugin")
	}
}

func TestAContainerLearnsItsDevices(t *testing.T) {
	response, err := newPlugin(3).Allocate(soon(t), &v1beta1.AllocateRequest{
		ContainerRequests: []*v1beta1.ContainerAllocateRequest{{DevicesIds: []string{"GPU-2", "GPU-0"}}},
	})
	if err != nil {
		t.Fatal(err)
	}

	if got := response.ContainerResponses[0].Envs["NVIDIA_VISIBLE_DEVICES"]; got != "GPU-2,GPU-0" {
		t.Fatalf("learns %q", got)
	}
}

func TestADeviceThatIsNotThereIsRefused(t *testing.T) {
	_, err := newPlugin(3).Allocate(soon(t), &v1beta1.AllocateRequest{
		ContainerRequests: []*v1beta1.ContainerAllocateRequest{{DevicesIds: []string{"GPU-3"}}},
	})

	if status.Code(err) != codes.InvalidArgument {
		t.Fatalf("answered %v", err)
	}
}
