# lists for tests/
