#!lua flags=no-writes
return describe(ARGV[1])
