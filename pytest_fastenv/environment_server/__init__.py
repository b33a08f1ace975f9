"""The process that makes further environments for a session that runs inside one."""
