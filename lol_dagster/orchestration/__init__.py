"""The only package that imports Dagster: assets, sensors, schedules, jobs and the instance.

Thin shells: what they do is plain functions of the packages below.
"""

import warnings

import dagster as dg

# Each process of Dagster, run workers included, would begin its log with them: that some of what
# we use is beta is known and pinned (pyproject.toml), and nothing for an operator.
for category in (dg.BetaWarning, dg.PreviewWarning):
    warnings.filterwarnings("ignore", category=category)
