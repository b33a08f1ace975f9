"""The process that provides further environments for a session that runs inside one."""
