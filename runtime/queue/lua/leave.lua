#!lua flags=allow-oom
forget_replica(ARGV[1])
return 1
