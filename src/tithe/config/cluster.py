"""The section `cluster`: the Ray cluster that `engine: ray` works on."""

from __future__ import annotations

from pydantic import Field, model_validator

from tithe.config.values import PathStr, Positive, Section


class Cluster(Section):
    """The Ray cluster of `engine: ray`.

    No setting of it changes a result, but `num_workers` the draws of dropout where processes train together.
    """

    address: str = Field("", description="of a running cluster, as ray.init takes it; empty: Ray is started here")
    num_workers: Positive | None = Field(
        None,
        description="worker processes; when unset one to train an encoder, else as many as the cluster has CPUs for",
    )
    use_gpu: bool = Field(False, description="give each worker a GPU")
    cpus_per_worker: Positive = Field(1, description="CPUs of each worker, and its threads")
    storage_path: PathStr | None = Field(
        None, description="folder that every node sees, for finished parts; one in the cache of this machine when unset"
    )

    @model_validator(mode="after")
    def _shares_a_folder(self) -> Cluster:
        if self.address and not self.storage_path:
            raise ValueError(
                "cluster.address names other machines: set cluster.storage_path to a folder that all of them see"
            )
        return self
