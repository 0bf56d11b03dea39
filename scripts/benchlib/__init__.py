"""The parts of scripts/bench.

    cases --> session --> servers (peers) and load        measure
                 |
              figures --> results --> summary, plots, report        tell; compare reads two results

A case is one file case_*.py and one line of the table in cases.py; a server to
compare with is one line of the table in peers.py; a measure one line in figures.py.
"""
