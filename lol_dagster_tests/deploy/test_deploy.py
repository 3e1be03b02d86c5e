"""What stands in deploy/ is what the programs that read it take: each is given to its own program, or
where that is not here, to what is known of its form.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._config import process_config, resolve_to_config_type
from dagster._core.instance.config import dagster_instance_config
from dagster._core.instance.ref import InstanceRef

from lol_dagster.orchestration.celery_launcher import CeleryLauncher
from lol_dagster.orchestration.instance import shipped_file
from lol_dagster.orchestration.kubernetes_launcher import KubernetesLauncher
from lol_dagster.settings import Settings
from lol_dagster_tests._support.postgres import PostgresServer

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted(DEPLOY.glob("*/*.service"))


@dg.op
def answer() -> int:
    return 42


@dg.job(executor_def=dg.in_process_executor)
def small() -> None:
    answer()


def config_of_cluster() -> str:
    """The dagster.yaml that Kubernetes puts into the pods."""
    parts = yaml.safe_load_all((DEPLOY / "kubernetes/lol-dagster.yaml").read_text())
    (found,) = [part["data"] for part in parts if part["kind"] == "ConfigMap"]
    text: str = found["dagster.yaml"]
    return text


VARIANTS = {
    "postgresql": (DEPLOY / "postgresql/dagster.yaml").read_text(),
    "celery": (DEPLOY / "celery/dagster.yaml").read_text(),
    "kubernetes": config_of_cluster(),
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_dagster_runs_on_postgresql_with_it(
    variant: str,
    postgres_server: PostgresServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = postgres_server.empty_database()
    monkeypatch.setenv("DAGSTER_POSTGRES_URL", url)
    monkeypatch.setenv("DAGSTER_CELERY_BROKER", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("DAGSTER_COMPUTE_LOGS", str(tmp_path / "printed"))
    (tmp_path / "dagster.yaml").write_text(VARIANTS[variant])
    dagster_instance_config(str(tmp_path))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert type(instance.run_storage).__module__.startswith("dagster_postgres")
        result = small.execute_in_process(instance=instance)
        assert result.output_for_node("answer") == 42
        (run,) = instance.get_runs()
        assert run.status == dg.DagsterRunStatus.SUCCESS
    postgres_server.drop(url)


def test_they_differ_from_the_shipped_one_in_nothing_but_what_they_are_for() -> None:
    shipped = yaml.safe_load(shipped_file("dagster.yaml").read_text())
    found = {name: yaml.safe_load(text) for name, text in VARIANTS.items()}
    for variant in found.values():
        assert variant.pop("storage") == {
            "postgres": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}
        }
    assert found.pop("postgresql") == shipped
    shipped.pop("run_launcher")
    shipped["concurrency"]["runs"].pop("max_concurrent_runs")
    shipped["run_monitoring"].pop("start_timeout_seconds")
    for variant in found.values():
        assert variant.pop("run_launcher")["module"].startswith("lol_dagster.orchestration.")
        assert variant.pop("compute_logs")
        assert variant["concurrency"]["runs"].pop("max_concurrent_runs") >= 8
        variant["run_monitoring"].pop("start_timeout_seconds")
        assert variant == shipped


def test_celerys_launcher_takes_its_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_CELERY_BROKER", "redis://127.0.0.1:1/0")
    (tmp_path / "dagster.yaml").write_text(VARIANTS["celery"])
    launcher = InstanceRef.from_dir(str(tmp_path)).run_launcher
    assert isinstance(launcher, CeleryLauncher)
    conf = launcher.celery.conf
    assert conf.broker_connection_max_retries is None, "0 would end it when Redis is away"
    assert conf.worker_max_tasks_per_child == 1, "or one process would beat for several runs"
    # The longest job, nightly, has an hour, and its worker three minutes to end.
    assert conf.task_time_limit > 3600 + 180
    assert not launcher.supports_check_run_worker_health, "heartbeats tell"
    assert [queue.name for queue in conf.task_queues] == [
        "dagster", "americas", "europe", "asia", "sea", "nightly"
    ]  # fmt: skip


def test_kubernetes_launcher_takes_its_part() -> None:
    """It asks for its cluster when it is made: here its configuration alone is tried."""
    asked = yaml.safe_load(VARIANTS["kubernetes"])["run_launcher"]
    assert asked["class"] == KubernetesLauncher.__name__
    assert asked["module"] == KubernetesLauncher.__module__
    checked = process_config(
        resolve_to_config_type(KubernetesLauncher.config_type()),
        asked["config"],
    )
    assert checked.success, checked.errors
    assert KubernetesLauncher.supports_check_run_worker_health.fget(None) is False  # type: ignore[attr-defined]


def test_what_the_cluster_is_given_belongs_together() -> None:
    parts = list(yaml.safe_load_all((DEPLOY / "kubernetes/lol-dagster.yaml").read_text()))
    names = {(part["kind"], part["metadata"]["name"]) for part in parts}
    (deployment,) = [part for part in parts if part["kind"] == "Deployment"]
    assert (deployment["spec"]["replicas"], deployment["spec"]["strategy"]) == (
        1,
        {"type": "Recreate"},
    )
    pod = deployment["spec"]["template"]["spec"]
    run = yaml.safe_load(VARIANTS["kubernetes"])["run_launcher"]["config"]
    assert ("ServiceAccount", pod["serviceAccountName"]) in names
    assert run["service_account_name"] == pod["serviceAccountName"]
    assert ("ConfigMap", run["instance_config_map"]) in names
    claims = [
        volume["persistentVolumeClaim"]["claimName"]
        for volume in [*pod["volumes"], *run["volumes"]]
        if "persistentVolumeClaim" in volume
    ]
    assert {("PersistentVolumeClaim", claim) for claim in claims} <= names
    # What the nightly job writes in its pod, `up` finds.
    (container,) = pod["containers"]
    shared = [each for each in container["volumeMounts"] if each["name"] == "shared"]
    assert shared == run["volume_mounts"]
    assert {part["metadata"]["namespace"] for part in parts} == {run["job_namespace"]}


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_systemd_takes_the_unit(unit: Path, tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze here")
    # It insists on the program: any other will do.
    copy = tmp_path / unit.name
    copy.write_text(
        re.sub(r"^(ExecStart\w*)=/\S+", r"\1=/bin/true", unit.read_text(), flags=re.MULTILINE)
    )
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", copy],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    complaints = [line for line in verified.stderr.splitlines() if unit.name in line]
    assert (verified.returncode, complaints) == (0, [])


@pytest.mark.parametrize("unit", UNITS, ids=lambda path: path.name)
def test_a_unit_ends_its_workers_comes_back_and_bears_no_secret(unit: Path) -> None:
    lines = set(unit.read_text().splitlines())
    assert {"KillMode=mixed", "Restart=always", "RuntimeMaxSec=7d", "MemoryMax=2G"} <= lines
    assert not [line for line in lines if re.match(r"Environment=.*(TOKEN|KEY|PASSWORD|URL)", line)]


@pytest.mark.parametrize("unit", UNITS, ids=[unit.name for unit in UNITS])
def test_a_unit_waits_for_the_clock_to_be_set(unit: Path) -> None:
    """What a clock that is ahead writes has to be put right afterwards."""
    (after,) = re.findall(r"^After=(.*)$", unit.read_text(), flags=re.MULTILINE)
    assert "time-sync.target" in after.split()


def test_the_containers_belong_together() -> None:
    folder = DEPLOY / "containers"
    compose = yaml.safe_load((folder / "compose.yaml").read_text())
    assert set(compose) <= {"name", "services", "volumes"}
    services = compose["services"]
    for name, service in services.items():
        assert ("image" in service) != ("build" in service), name
        assert service["restart"] == "unless-stopped"
        assert set(service.get("depends_on", [])) <= set(services)
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (folder / source).resolve().is_file(), volume
            else:
                assert source in compose["volumes"], volume
    build = services["app"]["build"]
    top = (folder / build["context"]).resolve()
    assert (top / build["dockerfile"]).is_file()
    for line in (top / build["dockerfile"]).read_text().splitlines():
        if line.startswith("COPY ") and "--from=" not in line:
            for source in line.split()[1:-1]:
                assert (top / source).exists(), line
    # Dagster's UI is reached through the proxy alone.
    assert services["proxy"]["network_mode"] == "service:app"
    assert services["app"]["ports"] == ["80:80", "443:443", "8443:8443"]


def test_every_variable_that_is_asked_for_stands_in_the_example() -> None:
    example = (DEPLOY / "env.example").read_text()
    known = set(re.findall(r"^#?([A-Z_]+)=", example, flags=re.MULTILINE))
    asked = set(re.findall(r"\$\{([A-Z_]+):\?", (DEPLOY / "containers/compose.yaml").read_text()))
    asked |= set(re.findall(r"\{\$([A-Z_]+)\}", (DEPLOY / "proxy/Caddyfile").read_text()))
    for path in [*DEPLOY.glob("*/*.yaml"), *UNITS]:
        asked |= set(
            re.findall(r"(?:\{env: |^ExecStart.*\$\{)([A-Z_]+)\}", path.read_text(), re.MULTILINE)
        )
    assert asked <= known
    settings = {f"LOL_{name.upper()}" for name in Settings.model_fields}
    of_deploy = {"LOL_ADMIN_HOST"}
    assert {name for name in known if name.startswith("LOL_")} <= settings | of_deploy


def test_the_example_holds_no_secret() -> None:
    for line in (DEPLOY / "env.example").read_text().splitlines():
        if line and not line.startswith("#"):
            assert line == "LOL_RIOT_API_KEY=RGAPI-…"
