"""The hardware catalogue: what a name such as `a10g.1` in endpoints.yaml gives one replica.

Sources, each row alike:
- prices: AWS price list for us-east-1, Linux, on demand, as generated on 2026-07-20 into
  github.com/aws/karpenter-provider-aws at 1d92708, pkg/providers/pricing/zz_generated.pricing_aws.go;
- vCPU, memory, GPUs and their memory: EC2 DescribeInstanceTypes, as published on 2026-07-11 in the
  instance-types reference of Karpenter 1.14 (same repository). AWS reports usable GPU memory, so a
  24 GB card shows 22.4 GiB.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

PRICES_READ = "2026-07-20"
"""Day of the price list."""
SPECIFICATIONS_READ = "2026-07-11"
"""Day of the instance types' figures."""
PRICE_REGION = "us-east-1"


@dataclass(frozen=True, slots=True)
class Hardware:
    """One name of the catalogue. vCPU, memory and price are the whole instance's, GPUs are one replica's.

    `replicas_per_instance` replicas share an instance. `dollars_per_hour` is None where no price
    could be sourced (the list has none: the type is sold in capacity blocks).
    """

    name: str
    instance_type: str
    vcpu: int
    memory_gib: int
    gpus: int
    gpu_model: str
    gpu_memory_gib: float
    replicas_per_instance: int
    dollars_per_hour: float | None


_ROWS = (
    # name, instance type, vCPU, GiB, GPUs a replica, GPU, GiB a GPU, replicas an instance, $ an hour
    Hardware("cpu", "m7i.xlarge", 4, 16, 0, "", 0.0, 1, 0.2016),
    Hardware("t4.1", "g4dn.xlarge", 4, 16, 1, "T4", 16.0, 1, 0.526),
    Hardware("t4.4", "g4dn.12xlarge", 48, 192, 4, "T4", 16.0, 1, 3.912),
    Hardware("a10g.1", "g5.xlarge", 4, 16, 1, "A10G", 22.4, 1, 1.006),
    Hardware("a10g.1-large", "g5.2xlarge", 8, 32, 1, "A10G", 22.4, 1, 1.212),
    Hardware("a10g.4", "g5.12xlarge", 48, 192, 4, "A10G", 22.4, 1, 5.672),
    Hardware("a10g.8", "g5.48xlarge", 192, 768, 8, "A10G", 22.4, 1, 16.288),
    Hardware("l4.1", "g6.xlarge", 4, 16, 1, "L4", 22.4, 1, 0.8048),
    Hardware("l4.1-large", "g6.2xlarge", 8, 32, 1, "L4", 22.4, 1, 0.9776),
    Hardware("l4.4", "g6.12xlarge", 48, 192, 4, "L4", 22.4, 1, 4.6016),
    Hardware("l4.8", "g6.48xlarge", 192, 768, 8, "L4", 22.4, 1, 13.3504),
    Hardware("l40s.1", "g6e.xlarge", 4, 32, 1, "L40S", 44.7, 1, 1.861),
    Hardware("l40s.1-large", "g6e.4xlarge", 16, 128, 1, "L40S", 44.7, 1, 3.00424),
    Hardware("l40s.4", "g6e.12xlarge", 48, 384, 4, "L40S", 44.7, 1, 10.49264),
    Hardware("l40s.8", "g6e.48xlarge", 192, 1536, 8, "L40S", 44.7, 1, 30.13118),
    Hardware("rtx6000.1", "g7e.2xlarge", 8, 64, 1, "RTX PRO 6000", 96.0, 1, 3.36312),
    Hardware("a100.1", "p4d.24xlarge", 96, 1152, 1, "A100", 40.0, 8, 21.957642),
    Hardware("a100.8", "p4d.24xlarge", 96, 1152, 8, "A100", 40.0, 1, 21.957642),
    Hardware("a100-80.1", "p4de.24xlarge", 96, 1152, 1, "A100", 80.0, 8, 27.44705),
    Hardware("a100-80.8", "p4de.24xlarge", 96, 1152, 8, "A100", 80.0, 1, 27.44705),
    Hardware("h100.1", "p5.4xlarge", 16, 256, 1, "H100", 80.0, 1, 6.88),
    Hardware("h100.8", "p5.48xlarge", 192, 2048, 8, "H100", 80.0, 1, 55.04),
    Hardware("h200.1", "p5en.48xlarge", 192, 2048, 1, "H200", 141.0, 8, 63.296),
    Hardware("h200.8", "p5en.48xlarge", 192, 2048, 8, "H200", 141.0, 1, 63.296),
    Hardware("h200-block.8", "p5e.48xlarge", 192, 2048, 8, "H200", 141.0, 1, None),
)

CATALOGUE: Mapping[str, Hardware] = MappingProxyType({row.name: row for row in _ROWS})
"""All hardware by name, smallest first within a model."""
