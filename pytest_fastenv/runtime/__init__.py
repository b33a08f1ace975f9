"""What runs inside an environment: the smallest plugin that lets a command line and ini files stay as they are.

The files of this package are copied into environments as the top-level package ``pytest_fastenv_runtime``: standard
library and pytest only, Python 3.8 and newer, pytest 7 and newer, relative imports only.
"""
