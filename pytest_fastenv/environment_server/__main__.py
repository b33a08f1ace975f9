"""``python -P -m pytest_fastenv.environment_server``: started by the runtime, spoken to in lines of JSON.

With ``--bytecode`` and further words it keeps what a session compiled instead, and nobody speaks to it.
"""

from __future__ import annotations

import os
import signal
import sys
import warnings

from pytest_fastenv.runtime.launch import own_path


def main() -> int:
    """Answer questions on standard input until it ends; return the exit code.

    Whatever else writes to standard output writes to standard error.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a session that is interrupted ends this by closing the input
    warnings.simplefilter("ignore")  # the filters of the code under test are not for the engine
    # After Ctrl-C can do no harm; and the modules of PYTHONPATH are for the code under test.
    sys.path[:] = own_path()
    if sys.argv[1:2] == ["--bytecode"]:
        from pytest_fastenv.environment_server.bytecode import finish

        return finish(*sys.argv[2:])
    from pytest_fastenv.environment_server.server import serve

    answers = os.dup(1)
    os.dup2(2, 1)
    with open(answers, "wb") as stream:
        return serve(0, stream)


if __name__ == "__main__":
    sys.exit(main())
