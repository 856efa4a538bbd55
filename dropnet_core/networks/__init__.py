"""Networks by name: their description, their first weights, the modules of one."""
