"""Several feeds in order of preference, of which one serves: to the rest of the hub they are one."""
