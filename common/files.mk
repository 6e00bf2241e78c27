# lists for common/
