"""The nodes that one kind of hardware means."""

import pulumi
from pulumi import ResourceOptions

from infra.plan.values import NodeGroupPlan


class GpuNodeGroup(pulumi.ComponentResource):
    """Creates nothing on a cluster of one's own: it says which nodes are meant, and warns when there is none.

    Args of note:
        found: how many nodes match now; None where nobody could look. A cluster that adds nodes on demand
            may well have none.
    """

    def __init__(
        self, name: str, plan: NodeGroupPlan, found: int | None, opts: ResourceOptions | None = None
    ) -> None:
        super().__init__("moorage:components:GpuNodeGroup", name, {}, opts)
        if found == 0:
            wanted = ", ".join(f"{key} in ({', '.join(values)})" for key, values in plan.selector)
            pulumi.log.warn(
                f"no node of the cluster is {plan.hardware}: none has {wanted}. Unless one is added when it is"
                " needed, its endpoints wait for ever.",
                self,
            )
        self.register_outputs({"hardware": plan.hardware, "max_replicas": plan.replicas})
