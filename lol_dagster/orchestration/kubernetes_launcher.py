"""Each run as a job of Kubernetes. Needs `lol-dagster[k8s]`."""

from __future__ import annotations

from dagster_k8s.launcher import K8sRunLauncher


class KubernetesLauncher(K8sRunLauncher):
    """Dagster's, with runs that their workers' heartbeats judge alone.

    By itself it fails a living run whenever the cluster's API does not answer, and each run of `once`, which has
    no job there.
    """

    on_several_hosts = True
    """What `instance.pool_limits` asks for."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return False
