"""What may be set: the table of options, the layers that say so, and the values that come of them.

Environments have this package with its `options` alone.
"""
