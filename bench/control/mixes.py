# SPDX-License-Identifier: Apache-2.0
"""The mixes: which tenants live together, what they promise, and which variants each may use.

All models are of the zoo, so accuracies are those published for the trained networks. A mix says
what its tenants' rates are in relation to each other; how high they are is measured (limits.py).
"""

# name: (top-1 accuracy, MFLOPs per image, pixels)
IMAGES = {
    "mobilenet_v2_140": (0.749, 1164.4, 224),
    "mobilenet_v2_100": (0.719, 601.6, 224),
    "mobilenet_v1_050": (0.633, 299.0, 224),
    "mobilenet_v1_050_160": (0.591, 153.1, 160),
    "mobilenet_v1_025": (0.498, 82.1, 224),
    "mobilenet_v1_025_160": (0.455, 42.1, 160),
    "mobilenet_v1_025_128": (0.415, 27.1, 128),
}


class Tenant:
    """`ladder` has models of the zoo, the best first; `rate` is relative within the mix."""

    def __init__(self, name, slo, rate, *ladder, batch="1"):
        self.name, self.slo, self.rate, self.ladder, self.batch = name, slo, rate, ladder, batch

    @property
    def percentile(self):
        return float(self.slo.split()[0][1:]) / 100

    def accuracy(self, variant):
        """None for models without one (recommendation)."""
        return IMAGES[variant][0] if variant in IMAGES else None

    def yaml(self):
        """An entry of roost.yaml, in flow style."""
        size = IMAGES[self.ladder[0]][2] if self.ladder[0] in IMAGES else None
        variants = ", ".join(variant_yaml(model, size) for model in self.ladder)
        return f"{{name: {self.name}, slo: {self.slo}, workers: 2, variants: [{variants}]}}"


def variant_yaml(model, size):
    if model not in IMAGES:
        return f"{{model: {model}}}"
    accuracy, mflops, pixels = IMAGES[model]
    adapter = "" if pixels == size else f", adapter: {{resize: [{pixels}, {pixels}]}}"
    return f"{{model: {model}, accuracy: {accuracy}, mflops: {mflops}{adapter}}}"


MIXES = {
    # Three classifiers that differ by a factor of four.
    "photos": [
        Tenant("tagging", "p95 80 ms", 1, "mobilenet_v2_100", "mobilenet_v1_050",
               "mobilenet_v1_050_160", "mobilenet_v1_025"),
        Tenant("search", "p95 60 ms", 1, "mobilenet_v1_050", "mobilenet_v1_050_160",
               "mobilenet_v1_025"),
        Tenant("thumbnails", "p95 40 ms", 1, "mobilenet_v1_050_160", "mobilenet_v1_025_160",
               "mobilenet_v1_025_128"),
    ],
    # One heavy classifier with a long ladder beside small recommendation models without any.
    "shop": [
        Tenant("catalogue", "p95 120 ms", 1, "mobilenet_v2_140", "mobilenet_v2_100",
               "mobilenet_v1_050", "mobilenet_v1_025"),
        Tenant("ranking", "p95 50 ms", 2, "wnd", batch="lognormal(2.5,0.5)"),
        Tenant("similar", "p95 40 ms", 3, "ncf", batch="lognormal(2.5,0.5)"),
    ],
    # Five tenants, short and long runs, one with a stricter percentile.
    "feed": [
        Tenant("pictures", "p95 80 ms", 1, "mobilenet_v2_100", "mobilenet_v1_050",
               "mobilenet_v1_025"),
        Tenant("previews", "p99 80 ms", 2, "mobilenet_v1_050_160", "mobilenet_v1_025_160",
               "mobilenet_v1_025_128"),
        Tenant("ads", "p95 50 ms", 1, "dlrm_rmc3", batch="lognormal(2.5,0.5)"),
        Tenant("clicks", "p95 40 ms", 2, "din", batch="lognormal(2.5,0.5)"),
        Tenant("friends", "p95 50 ms", 1, "mt_wnd", batch="lognormal(2.5,0.5)"),
    ],
    # Four equal tasks: what one gives up, all could have given up.
    "twins": [
        Tenant(f"camera{i}", "p95 60 ms", 1, "mobilenet_v1_050", "mobilenet_v1_050_160",
               "mobilenet_v1_025", "mobilenet_v1_025_128") for i in range(1, 5)
    ],
}


def models(mix):
    return sorted({model for tenant in mix for model in tenant.ladder})


def config(mix):
    """roost.yaml"""
    tenants = ", ".join(tenant.yaml() for tenant in mix)
    return f"server: {{control_mode: explicit}}\ntenants: [{tenants}]\n"
