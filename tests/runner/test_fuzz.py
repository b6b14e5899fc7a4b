# SPDX-License-Identifier: MIT
"""The driver of the fuzzers, on small ones of these tests: it finds what fails, keeps it and names it."""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FUZZ = ROOT / "tests/fuzz"

TARGET = """
#include "fuzz.h"
#include <string.h>
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    %s
    return 0;
}
"""

#: "<<" is one change away from the corpus, so that mutations find it and the corpus does not
PLANTED = 'check_that(length < 2 || memmem(bytes, length, "<<", 2) == NULL);'
ENDLESS = 'for (volatile int i = 0; length > 3 && bytes[0] == bytes[1]; i = i + 1) {}'


@pytest.fixture
def fuzzer(tmp_path):
    """Builds a fuzzer with this body. Returns what runs it, and gives its status and what it said."""
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    (corpus / "one").write_bytes(b"<a>\n<b>\n")
    (corpus / "two").write_bytes(b"1 < 2")

    def build(body, *flags):
        (tmp_path / "fuzz_planted.c").write_text(TARGET % body)
        subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", *flags, f"-I{FUZZ}", "-o", tmp_path / "fuzz_planted",
                        tmp_path / "fuzz_planted.c", FUZZ / "driver.c", FUZZ / "mutate.c"], check=True)

        def run(*arguments):
            ran = subprocess.run([tmp_path / "fuzz_planted", "--save", tmp_path, *arguments], capture_output=True, text=True,
                                 timeout=60)
            return ran.returncode, ran.stdout + ran.stderr
        return run
    return build


def saved_input(said):
    return pathlib.Path(re.search(r"repeat with: \S+ (\S+)", said).group(1))


def test_what_fails_is_kept_and_fails_again(fuzzer, tmp_path):
    run = fuzzer(PLANTED)
    assert run(tmp_path / "corpus")[0] == 0, "the corpus itself fails nothing"
    status, said = run("--mutations", "20000", tmp_path / "corpus")
    assert status == 1 and "of seed 1 is saved" in said and "not so: length < 2" in said
    assert b"<<" in saved_input(said).read_bytes()
    assert run(saved_input(said))[0] == 1


def test_a_seed_makes_the_same_inputs_again(fuzzer, tmp_path):
    run = fuzzer(PLANTED)
    first = saved_input(run("--mutations", "20000", "--seed", "7", tmp_path / "corpus")[1]).read_bytes()
    again = saved_input(run("--mutations", "20000", "--seed", "7", tmp_path / "corpus")[1]).read_bytes()
    other = saved_input(run("--mutations", "20000", "--seed", "8", tmp_path / "corpus")[1]).read_bytes()
    assert first == again != other


def test_an_input_without_end_is_ended(fuzzer, tmp_path):
    status, said = fuzzer(ENDLESS, "-DINPUT_CPU_S=1")("--mutations", "20000", tmp_path / "corpus")
    assert status == 1 and "took too much processor time" in said
    content = saved_input(said).read_bytes()
    assert content[0] == content[1]


def test_a_good_target_says_what_it_ran(fuzzer, tmp_path):
    status, said = fuzzer("")("--mutations", "500", "--seed", "3", tmp_path / "corpus")
    assert status == 0 and "2 files, 500 mutations, seed 3" in said


def test_nothing_to_run_is_an_error(fuzzer, tmp_path):
    run = fuzzer("")
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty") == (1, f"{tmp_path / 'empty'}: no files\n")
    assert run(tmp_path / "absent")[0] == 1
    assert run()[0] == 64
