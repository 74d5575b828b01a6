"""A sweep: its networks as groups of processes on this machine or, in `ray`, on a cluster.

The scheduler trains nothing and never imports TensorFlow; what it knows lies in the study's folder.
"""

__all__ = [
    "display",
    "dry_run",
    "jobs",
    "liveness",
    "local",
    "prepare",
    "ray",
    "scheduler",
    "speeds",
    "study_status",
    "summary",
    "sweep_config",
    "sweep_folder",
]
