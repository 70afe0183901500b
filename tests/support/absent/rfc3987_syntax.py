"""Stands in for a parser of international addresses, for which jsonschema looks: its import takes two seconds.

It comes with the client of one tracker, and each process of Ray, of ClearML and of others would load it.
"""

raise ImportError("left out of the tests: see tests/support/environment.py")
