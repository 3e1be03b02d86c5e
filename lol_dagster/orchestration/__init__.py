"""The only room that imports Dagster: assets, sensors, schedules, jobs and the instance."""
