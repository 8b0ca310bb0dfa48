// Command device_plugin gives a node as many devices of a resource as it is told, without any
// hardware: to the kubelet it is the same as the plugin of a vendor.
package main

import (
	"context"
	"flag"
	"log"
	"os/signal"
	"path/filepath"
	"syscall"

	"k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
)

func main() {
	resource := flag.String("resource", "nvidia.com/gpu", "name of the extended resource")
	count := flag.Int("count", 8, "how many devices the node has")
	dir := flag.String("dir", v1beta1.DevicePluginPath, "the kubelet's folder of plugin sockets")
	flag.Parse()
	if *count < 1 {
		log.Fatalf("-count is %d. Give at least 1, or do not start the plugin.", *count)
	}
	// gRPC's unix:// addresses hold absolute paths only.
	folder, err := filepath.Abs(*dir)
	if err != nil {
		log.Fatalf("-dir %q: %v", *dir, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	newMembership(folder, *resource, newPlugin(*count)).keep(ctx)
}
