# SPDX-License-Identifier: Apache-2.0
"""Arrivals that every policy gets alike, live and simulated: traces of a Poisson process."""
import math
import os
import random



def batch_rows(tenant, generator):
    """Rows of a request; the same log-normal sizes as roost load's."""
    if tenant.batch == "1":
        return 1
    mu, sigma = (float(x) for x in tenant.batch.removeprefix("lognormal(").rstrip(")").split(","))
    return max(1, min(64, round(math.exp(generator.gauss(mu, sigma)))))


def write(folder, mix, seed, *phases):
    """Traces of phases, (seconds, requests per second of a tenant of rate 1) each. Paths by name.

    The first arrival is at 0 s, since traces count from it."""
    os.makedirs(folder, exist_ok=True)
    paths = {}
    for tenant in mix:
        generator = random.Random(f"{seed}/{tenant.name}")
        paths[tenant.name] = os.path.join(folder, tenant.name + ".trace")
        with open(paths[tenant.name], "w", encoding="ascii") as file:
            begin = 0.0
            file.write(f"0 {batch_rows(tenant, generator)}\n")
            for seconds, rate in phases:
                at = begin + generator.expovariate(rate * tenant.rate)
                while at < begin + seconds:
                    file.write(f"{at:.6f} {batch_rows(tenant, generator)}\n")
                    at += generator.expovariate(rate * tenant.rate)
                begin += seconds
    return paths


def join(folder, phases, phase_s):
    """Traces one after the other, each beginning `phase_s` after the one before. Paths by name."""
    os.makedirs(folder, exist_ok=True)
    joined = {name: os.path.join(folder, name + ".trace") for name in phases[0]}
    for name, path in joined.items():
        with open(path, "w", encoding="ascii") as out:
            for number, paths in enumerate(phases):
                with open(paths[name], encoding="ascii") as phase:
                    for at_s, rows in map(str.split, phase):
                        out.write(f"{float(at_s) + number * phase_s:.6f} {rows}\n")
    return joined
