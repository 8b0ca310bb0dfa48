#!lua flags=allow-oom
-- Lease the first waiting request to a ready replica.
return take_next(ARGV[1], ARGV[2])
