# SPDX-License-Identifier: MIT
"""The test suites that tests/run knows.

Each command is a bash script that runs in the root of the repository, with these functions:

    build DIRECTORY CC [VARIABLE=VALUE...] TARGET...   runs make; never twice at the same time in one directory
    units DIRECTORY, fuzzers DIRECTORY MUTATIONS       run the programs that were built there
    tests [OPTION...] PATH...                          runs pytest

A suite builds all that it uses, so that it can also run alone. `needs` names suites that run first if they are chosen too. Suites with the same
`holds` never run at the same time. `seconds` is the measured time on two cores, because tests/run starts long suites first.
"""

import dataclasses

FUNCTIONS = r"""
build() {
    local directory=$1 compiler=$2
    shift 2
    mkdir -p "$directory"
    flock --close "$directory/.lock" make --no-print-directory -j"$(nproc)" BUILD="$directory" CC="$compiler" "$@"
}

units() {
    local status=0 test
    for test in "$1"/tests/unit/test_*; do
        case $test in *.o | *.d) continue ;; esac
        echo "== $test"
        BUILD=$1 timeout 300 "$test" || status=1
    done
    return $status
}

# Each fuzzer takes its corpus, and then as many mutations of it; a failing input is kept and named.
fuzzers() {
    local directory=$1 mutations=$2 save=$1/tests/fuzz/failed
    mkdir -p "$save"
    [ ! -w /dev/shm ] || export TMPDIR=/dev/shm
    for fuzzer in tests/fuzz/fuzz_*.c; do
        basename "$fuzzer" .c
    done | xargs -P "$(nproc)" -I{} sh -c \
        'name={}; exec "$0/tests/fuzz/$name" --mutations "$1" --seed "$2" --save "$3" "tests/fuzz/corpus/${name#fuzz_}"' \
        "$directory" "$mutations" "${FUZZ_SEED:-1}" "$save"
}

# A test that takes longer than five minutes shows in the log where it hangs.
tests() {
    /usr/bin/python3 -m pytest -q -rs -p no:cacheprovider --tb=short -o faulthandler_timeout=300 "$@"
}

sanitized() {
    build build-sanitize gcc OPTIMIZE='-O1 -g' INITIALIZE= all unit-tests fuzzers sim wall \
        SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'
}

export_sanitized() {
    export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 BUILD=build-sanitize
}
"""


@dataclasses.dataclass(frozen=True)
class Suite:
    name: str
    seconds: int
    command: str
    needs: tuple = ()
    holds: str = ""
    is_default: bool = True  # part of a run without names


#: Tests of the quick check: short ones of each part.
QUICK_TESTS = "test_counting.py test_http.py test_formats.py test_tokens.py test_sites.py test_metrics.py test_openapi.py"

SUITES = [
    Suite("gcc", 40, "build build gcc all unit-tests fuzzers sim crowd wall judge"),
    Suite("clang", 30, "build build-clang clang all unit-tests fuzzers sim"),
    Suite("format", 1, "git ls-files --cached --others --exclude-standard '*.c' '*.h' | xargs clang-format --dry-run -Werror"),
    Suite("layers", 1, "tests/layers"),
    Suite("generated", 1, "build build gcc all && packaging/generate-docs --check build", needs=("gcc",)),
    Suite("runner", 5, "tests tests/runner"),
    Suite("unit", 25, "build build gcc all unit-tests && units build", needs=("gcc",)),
    # the counting code in a simulated world; each seed is a run with its own faults
    Suite("sim", 25, "build build gcc sim && build/sim --seeds 10000", needs=("gcc",)),
    # the simulator, a test or a fuzzer has to find each of the mistakes in a copy of the code
    Suite("mutants", 30, "build build gcc all unit-tests fuzzers sim && tests/sim/mutate", needs=("gcc",)),
    Suite("e2e", 420, "build build gcc all wall && tests tests/e2e", needs=("gcc",)),
    # the commands, configurations and links of README and docs
    Suite("docs", 5, "build build gcc all && tests tests/docs", needs=("gcc",)),
    Suite("faults", 210, "build build gcc all crowd wall && tests tests/faults", needs=("gcc",)),
    # the tools of `make bench`, without its figures
    Suite("bench", 90, "build build gcc all && tests tests/bench", needs=("gcc",)),
    # the figures of the list of bots, with the npm packages that tests/bots/package-lock.json names
    Suite("bots", 15, "build build gcc judge && tests tests/bots", needs=("gcc",)),
    Suite("browser", 60, "build build gcc all && tests tests/browser --ignore=tests/browser/test_page_views.py", needs=("gcc",)),
    # the snippet on pages with Turbo, Swup, React and Vue; the two browsers side by side
    Suite("page-views", 150, """
        build build gcc all
        tests -k chromium tests/browser/test_page_views.py &
        tests -s -k "not chromium" tests/browser/test_page_views.py || status=1
        wait $! || status=1
        exit ${status:-0}
        """, needs=("gcc",)),
    Suite("stack", 25, "build build gcc all && tests tests/stack", needs=("gcc",)),
    # the whole stack under mixed traffic, while its clock passes two days; and the rules for growth
    Suite("soak", 40, "build build gcc all crowd wall && tests tests/soak", needs=("gcc",)),
    # all suites that run our own code in this process tree, with the sanitizers
    Suite("sanitize-build", 60, "sanitized"),
    Suite("sanitize-unit", 60, """
        sanitized && export_sanitized
        status=0
        units build-sanitize || status=1
        build-sanitize/sim --seeds 500 || status=1
        exit $status
        """, needs=("sanitize-build",)),
    # any bytes as what strangers, Redis, disks and operators give us, over memory that nothing has set
    Suite("fuzz", 60, "sanitized && export_sanitized && fuzzers build-sanitize 20000", needs=("sanitize-build",)),
    Suite("sanitize-e2e", 240, "sanitized && export_sanitized && tests -m 'not slow' tests/e2e", needs=("sanitize-build",)),
    Suite("sanitize-faults", 60, "sanitized && export_sanitized && tests tests/faults/test_repeats.py tests/faults/test_resend.py",
          needs=("sanitize-build",)),
    # Finds memory that is read before it is written, such as a field of an answer that was never set. clang does not initialise such memory.
    # valgrind 3.19 reads only DWARF 4.
    Suite("valgrind", 120, """
        build build-valgrind clang OPTIMIZE='-O1 -gdwarf-4' INITIALIZE= all wall
        export VALGRIND=1 BUILD=build-valgrind
        tests -m 'not slow and not plain_build' -k 'origins or callback or embed or ignored or (redis and (series or top))' \\
            tests/e2e/test_sites.py tests/e2e/test_history.py
        """),
    # both make a base image from Debian's packages, and share podman's storage
    Suite("systemd", 90, "build build gcc all && tests tests/systemd", needs=("gcc",), holds="containers"),
    Suite("podman", 60, "build build gcc all && tests tests/podman", needs=("gcc",), holds="containers"),
    Suite("quick-e2e", 60, f"build build gcc all wall && cd tests/e2e && tests -m 'not slow' {QUICK_TESTS}", needs=("gcc",), is_default=False),
]

#: Names for several suites. The part of a name before "-" is such a name too: "sanitize".
GROUPS = {"quick": ("gcc", "format", "layers", "generated", "unit", "quick-e2e")}
