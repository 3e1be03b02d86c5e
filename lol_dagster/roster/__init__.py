"""Who is watched and where it is told: adding, finding and removing."""
