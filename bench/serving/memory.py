# SPDX-License-Identifier: Apache-2.0
"""Memory: what a second worker adds, and what an unloaded tenant leaves behind."""
import time

from bodies import model_bodies
from common import (Roost, drive, explicit, figure, infer_path, median, memory_kib, optimised,
                    pss_kib, raw_loop, say, spread, zoo_make, zoo_path)
import common

SECONDS = 1.5


def peak_kib(pid, run):
    """The most that a process had of its own while `run` ran. What it maps of others' (weights,
    and requests, which are the supervisor's) only grows, and is taken off at the end."""
    with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
        file.write("5")
    run()
    status = memory_kib(pid, "status")
    return status["VmHWM"] - status["RssFile"] - status["RssShmem"], status["RssFile"]


def workers_peak_kib(model, batch, workers, run_kib):
    """(own, files) of a host whose workers are all busy; with one, also of a raw run."""
    tenant = f'{{name: {model}, batching: "off", workers: {workers}, workers_max: 2}}'
    with Roost(config=explicit(tenant), zoo=True) as roost, \
            model_bodies(roost, model, batch, 4) as bodies, optimised(roost) as copy:
        if run_kib is None:
            report = raw_loop(copy, batch, 1, bodies, arguments=["--optimised", "--peak"])
            run_kib = report["run_bytes"] / 1024
        def load():
            drive(roost, infer_path(model), bodies, SECONDS, connections=2 * workers)

        load()  # the first run of a size finds out what the later ones need
        own, files = peak_kib(roost.hosts(model)[0], load)
        return own, files, run_kib


def second_worker(model, batch):
    ratios, run_kib = [], None
    for _ in range(common.rounds):
        one, one_files, run_kib = workers_peak_kib(model, batch, 1, run_kib)
        two, two_files, run_kib = workers_peak_kib(model, batch, 2, run_kib)
        ratios.append((two - one + two_files - one_files) / run_kib)
        say(f"  {model} batch {batch}: one worker {one} KiB, two {two} KiB "
            f"(files {one_files}, {two_files}), activations {run_kib:.0f} KiB, "
            f"ratio {ratios[-1]:.2f}")
    say(f"worker {model}: adds {spread(ratios)} of the activations")
    figure(f"second_worker_{model}", median(ratios), 1.2, "x")


def worker():
    """memory that a second worker adds, in activations of one batch"""
    zoo_make("resnet_v2_50", "squeezenet_1_1", "dlrm_rmc1")
    second_worker("resnet_v2_50", 1)
    second_worker("squeezenet_1_1", 1)
    second_worker("dlrm_rmc1", 256)


def unload():
    """five tenants loaded, one unloaded: its memory given back"""
    others = ["ncf", "wnd", "dlrm_rmc1", "squeezenet_1_1"]
    zoo_make("resnet_v2_50", *others)
    shares = []
    with Roost(config=explicit(*others), zoo=True) as roost:
        for model in others:
            with model_bodies(roost, model, 1, 4) as bodies:
                drive(roost, infer_path(model), bodies, 0.3)
        for _ in range(common.rounds):
            shares.append(unload_once(roost, "resnet_v2_50"))
    say(f"unload: {spread(shares)} given back")
    figure("unload_given_back", median(shares), 0.95, least=True)


def unload_once(roost, model):
    before = pss_kib(roost.pids())
    assert roost.post(f"/v2/repository/models/{model}/load").status == 200
    with model_bodies(roost, model, 1, 4) as bodies:
        drive(roost, infer_path(model), bodies, SECONDS, connections=4)
    loaded = pss_kib(roost.pids())
    assert roost.post(f"/v2/repository/models/{model}/unload").status == 200
    time.sleep(1)  # the host ends after the answer
    after = pss_kib(roost.pids())
    say(f"  all processes: {before} KiB, with {model} {loaded} KiB, without {after} KiB")
    return (loaded - after) / (loaded - before)
