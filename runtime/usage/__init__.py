"""What replicas have cost: how long each endpoint had how many, hour by hour, kept in SQL."""

from runtime.usage.port import Account, Period, Sample, Total, Usage, UsageAwayError

__all__ = ["Account", "Period", "Sample", "Total", "Usage", "UsageAwayError"]
