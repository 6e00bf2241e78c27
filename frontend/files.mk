# lists for frontend/
