"""The sidecar of one replica: takes one request at a time, replays it to the model, hands the answer on."""
