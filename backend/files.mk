# lists for backend/
