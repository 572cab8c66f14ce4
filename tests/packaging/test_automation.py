"""What runs elsewhere (continuous integration, Dependabot, pre-commit) says the same as what runs here."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

SHA = re.compile(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")


@pytest.fixture
def workflow(root: Path):
    """The workflow's text and what it says."""
    text = (root / ".github/workflows/ci.yml").read_text(encoding="utf-8")
    return text, yaml.safe_load(text)


@pytest.fixture
def project(root: Path):
    """pyproject.toml's table of the project."""
    return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_every_supported_python_is_tried(workflow, project):
    """The workflow's, the classifiers' and `requires-python` are the same versions."""
    tried = workflow[1]["jobs"]["test"]["strategy"]["matrix"]["python"]
    named = [name.rpartition(" ")[2] for name in project["classifiers"] if "Python :: 3." in name]
    assert tried == named
    minors = [int(version.partition(".")[2]) for version in tried]
    assert minors == list(range(minors[0], minors[-1] + 1))
    assert project["requires-python"] == f">=3.{minors[0]},<3.{minors[-1] + 1}"


def test_the_workflow_does_what_ci_run_does(workflow, root: Path):
    """Nothing is checked there that `.ci/run` doesn't check here; the advisories that it compares with are at hand."""
    job = workflow[1]["jobs"]["test"]
    (run,) = [step for step in job["steps"] if ".ci/run" in step.get("run", "")]
    assert run["run"] == "bash .ci/run"
    assert (root / ".ci/run").exists()
    assert set(run["env"]) == {"ADVISORIES", "PYTHON"}
    advisories = [step["with"] for step in job["steps"] if "repository" in step.get("with", {})]
    assert [checkout["repository"] for checkout in advisories] == ["pypa/advisory-database"]


def test_the_workflow_may_read_only(workflow):
    """No secret, no right to write, no credential left in a checkout, and an end."""
    text, said = workflow
    assert said["permissions"] == {"contents": "read"}
    assert "secrets." not in text
    for job in said["jobs"].values():
        assert "permissions" not in job
        assert job["timeout-minutes"] <= 90
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("name", ["ci.yml", "release.yml"])
def test_actions_are_pinned(root: Path, name):
    """By commit, with the version beside it, so that a moved tag changes nothing."""
    text = (root / ".github/workflows" / name).read_text(encoding="utf-8")
    uses = re.findall(r"uses: (.+)", text)
    assert uses
    assert [use for use in uses if not SHA.fullmatch(use)] == []


def test_actionlint_finds_nothing(root: Path):
    """Every workflow is one that GitHub takes, expressions, contexts and runners included."""
    actionlint = shutil.which("actionlint")
    if actionlint is None:
        pytest.skip(
            "no actionlint: go install github.com/rhysd/actionlint/cmd/actionlint@v1.7.12, and shellcheck for the steps"
        )
    workflows = sorted((root / ".github/workflows").glob("*.yml"))
    done = subprocess.run(  # noqa: S603  # a constant
        [actionlint, *workflows], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_a_release_is_for_both_machines_with_its_papers(root: Path):
    """Both architectures on machines of their own, list of parts and provenance attached, one signature over all of it."""
    text = (root / ".github/workflows/release.yml").read_text(encoding="utf-8")
    said = yaml.safe_load(text)
    build, publish = said["jobs"]["build"], said["jobs"]["publish"]
    runners = {leg["architecture"]: leg["runner"] for leg in build["strategy"]["matrix"]["include"]}
    assert set(runners) == set(build["outputs"]) == {"amd64", "arm64"}
    assert runners["arm64"].endswith("-arm")
    (made,) = (s["with"] for s in build["steps"] if "build-push-action" in s.get("uses", ""))
    assert (made["sbom"], made["provenance"]) == (True, "mode=max")
    dockerfile = (root / "Dockerfile").read_text(encoding="utf-8")
    for argument in re.findall(r"^(\w+)=", made["build-args"], re.MULTILINE):
        assert f"ARG {argument}=" in dockerfile
    assert publish["needs"] == "build"
    assert "cosign sign --yes --recursive" in text
    assert text.index("cosign sign") < text.index("cosign verify")


def test_a_release_may_sign_and_nothing_else(root: Path):
    """It reads the source, and only the job that signs gets an identity; what steps run takes no expression from a tag."""
    text = (root / ".github/workflows/release.yml").read_text(encoding="utf-8")
    said = yaml.safe_load(text)
    assert said["permissions"] == {"contents": "read"}
    assert "permissions" not in said["jobs"]["build"]
    assert said["jobs"]["publish"]["permissions"] == {"contents": "read", "id-token": "write"}
    for job in said["jobs"].values():
        assert job["timeout-minutes"] <= 30
        for step in job["steps"]:
            assert "${{" not in step.get("run", "")
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_dependabot_looks_where_versions_stand(root: Path, project):
    """At the locks, the actions and the image's base; what it leaves alone is in a lock, for a reason that still holds."""
    said = yaml.safe_load((root / ".github/dependabot.yml").read_text(encoding="utf-8"))
    places = {update["package-ecosystem"]: update["directory"] for update in said["updates"]}
    assert places == {"pip": "/requirements", "github-actions": "/", "docker": "/"}
    assert (root / "requirements/runtime.txt").exists()
    assert (root / "Dockerfile").exists()
    pip = next(update for update in said["updates"] if update["package-ecosystem"] == "pip")
    lock = (root / "requirements/image.txt").read_text(encoding="utf-8")
    apart = {entry["dependency-name"] for entry in pip["ignore"]}
    apart |= set(pip["groups"]["everything-else"]["exclude-patterns"])
    assert {name for name in apart if not re.search(rf"^{name}==", lock, re.MULTILINE)} == set()
    exact = {text.partition("==")[0] for text in project["dependencies"] if "==" in text}
    assert exact <= apart


def test_pre_commit_runs_what_make_check_runs(root: Path):
    """Each hook is a target of `make check`, and each target is a hook, by the project's own tools."""
    said = yaml.safe_load((root / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    hooks = [hook for repo in said["repos"] for hook in repo["hooks"]]
    assert {repo["repo"] for repo in said["repos"]} == {"local"}
    makefile = (root / "Makefile").read_text(encoding="utf-8").replace("\\\n", "")
    (checks,) = re.findall(r"^CHECKS := (.+)$", makefile, re.MULTILINE)
    assert [hook["id"] for hook in hooks] == checks.split()
    for hook in hooks:
        assert hook["entry"] == f"make --no-print-directory {hook['id']}"
        assert hook["language"] == "system"
