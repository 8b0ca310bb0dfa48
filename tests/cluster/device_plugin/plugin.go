package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

// visibleDevices is the variable by which NVIDIA's container runtime learns a container's devices.
const visibleDevices = "NVIDIA_VISIBLE_DEVICES"

// plugin answers the kubelet. Its devices are always healthy.
type plugin struct {
	v1beta1.UnimplementedDevicePluginServer
	ids []string
}

func newPlugin(count int) *plugin {
	ids := make([]string, count)
	for i := range ids {
		ids[i] = fmt.Sprintf("GPU-%d", i)
	}
	return &plugin{ids: ids}
}

func (p *plugin) GetDevicePluginOptions(context.Context, *v1beta1.Empty) (*v1beta1.DevicePluginOptions, error) {
	return &v1beta1.DevicePluginOptions{}, nil
}

// ListAndWatch tells the devices once; the stream stays open because its end means to the kubelet
// that the plugin is gone and its devices with it.
func (p *plugin) ListAndWatch(_ *v1beta1.Empty, stream grpc.ServerStreamingServer[v1beta1.ListAndWatchResponse]) error {
	devices := make([]*v1beta1.Device, len(p.ids))
	for i, id := range p.ids {
		devices[i] = &v1beta1.Device{ID: id, Health: v1beta1.Healthy}
	}
	if err := stream.Send(&v1beta1.ListAndWatchResponse{Devices: devices}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

// Allocate names its devices to each container, as NVIDIA's plugin does.
func (p *plugin) Allocate(_ context.Context, request *v1beta1.AllocateRequest) (*v1beta1.AllocateResponse, error) {
	response := &v1beta1.AllocateResponse{}
	for _, container := range request.ContainerRequests {
		for _, id := range container.DevicesIds {
			if !slices.Contains(p.ids, id) {
				return nil, status.Errorf(codes.InvalidArgument, "there is no device %q", id)
			}
		}
		response.ContainerResponses = append(response.ContainerResponses, &v1beta1.ContainerAllocateResponse{
			Envs: map[string]string{visibleDevices: strings.Join(container.DevicesIds, ",")},
		})
	}
	return response, nil
}
