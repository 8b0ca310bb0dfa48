package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

const (
	lookEvery     = 250 * time.Millisecond
	registerLimit = 5 * time.Second
)

// membership keeps the plugin known to whichever kubelet runs.
//
// A kubelet forgets its plugins when it starts, and empties the folder of sockets. So the two
// sockets are looked at, again and again: a watch would miss what happens while it is set up, and
// inotify instances are few in a sandbox.
type membership struct {
	kubelet  string
	socket   string
	resource string
	plugin   *plugin

	server *grpc.Server
	joined os.FileInfo
}

func newMembership(folder, resource string, p *plugin) *membership {
	name := strings.ReplaceAll(resource, "/", "-") + ".sock"
	return &membership{
		kubelet:  filepath.Join(folder, "kubelet.sock"),
		socket:   filepath.Join(folder, name),
		resource: resource,
		plugin:   p,
	}
}

// keep registers with each kubelet that comes, until the context ends.
func (m *membership) keep(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	defer m.leave()
	told := ""
	for {
		if err := m.join(ctx); err != nil && ctx.Err() == nil {
			if err.Error() != told {
				log.Printf("not registered, trying on: %v", err)
			}
			told = err.Error()
		} else {
			told = ""
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// join serves and registers anew where the running kubelet does not know this plugin yet.
func (m *membership) join(ctx context.Context) error {
	kubelet, err := os.Stat(m.kubelet)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no kubelet has made %s yet", m.kubelet)
	}
	if err != nil {
		return err
	}
	if m.knows(kubelet) {
		return nil
	}
	m.leave()
	if err := m.serve(); err != nil {
		return err
	}
	if err := m.register(ctx); err != nil {
		return err
	}
	m.joined = kubelet
	log.Printf("registered %d of %s", len(m.plugin.ids), m.resource)
	return nil
}

// knows says whether this kubelet's socket is the one registered with, and ours still there.
func (m *membership) knows(kubelet os.FileInfo) bool {
	if m.joined == nil || !os.SameFile(m.joined, kubelet) {
		return false
	}
	// File systems give the number of a removed file to the next one.
	if !m.joined.ModTime().Equal(kubelet.ModTime()) {
		return false
	}
	_, err := os.Stat(m.socket)
	return err == nil
}

func (m *membership) serve() error {
	// Of a plugin that was killed; a name that is taken cannot be bound.
	if err := os.Remove(m.socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", m.socket)
	if err != nil {
		return err
	}
	m.server = grpc.NewServer()
	v1beta1.RegisterDevicePluginServer(m.server, m.plugin)
	go func(server *grpc.Server) {
		if err := server.Serve(listener); err != nil {
			log.Printf("serving ended: %v", err)
		}
	}(m.server)
	return nil
}

func (m *membership) register(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, registerLimit)
	defer cancel()
	connection, err := grpc.NewClient("unix://"+m.kubelet, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	_, err = v1beta1.NewRegistrationClient(connection).Register(ctx, &v1beta1.RegisterRequest{
		Version:      v1beta1.Version,
		Endpoint:     filepath.Base(m.socket),
		ResourceName: m.resource,
		Options:      &v1beta1.DevicePluginOptions{},
	})
	return err
}

// leave ends the service; stopping a server removes its socket.
func (m *membership) leave() {
	m.joined = nil
	if m.server != nil {
		m.server.Stop()
		m.server = nil
	}
}
