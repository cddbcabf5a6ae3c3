"""The `changes:` section: who may announce a change from outside, and how long one waits for that."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from schemas.settings.quantities import Duration, Strict


class Deployment(Strict):
    """Which component a deployment on GitHub means. Several may mean several components of one repository."""

    repository: str = Field(max_length=200)
    """As `owner/name`."""
    environment: str | None = Field(default=None, min_length=1, max_length=255)
    """Only deployments to it; default: to any."""
    component: str
    """As `depends_on` writes it: `agent:refund-agent`."""
    version: Literal["sha", "short_sha", "ref"] = "sha"
    """What of a deployment the agent reports as its version; `version` in the deployment's payload wins."""
    stage: Literal["shadow", "canary", "full"] = "full"
    """What this environment is; `stage` in the payload wins."""
    share: float | None = Field(default=None, gt=0.0, le=1.0)
    """Of the traffic that the version has there."""


class GitHub(Strict):
    """A webhook for `deployment_status` that GitHub sends to `/v1/webhooks/github`."""

    secret: SecretStr | None = None
    """With which GitHub signs."""
    secret_file: str | None = None
    deployments: list[Deployment] = Field(min_length=1, max_length=1_000)


class Changes(Strict):
    """What is expected of those who change something."""

    grace: Duration = 600.0
    """So long after its first sighting a version may still be announced; then nobody announced it."""
    github: GitHub | None = None
