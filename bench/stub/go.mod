module moorage/bench/stub

go 1.22
