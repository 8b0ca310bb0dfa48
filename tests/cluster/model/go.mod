module moorage.dev/tests/cluster/model

go 1.25.0
