# lists for tools/
