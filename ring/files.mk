# lists for ring/
