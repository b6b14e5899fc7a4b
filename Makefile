# SPDX-License-Identifier: MIT
#
#   make run      install what is missing, build, and serve http://127.0.0.1:8080
#   make stack    Redis, three instances and nginx on http://127.0.0.1:5002
#   make test     install what is missing, build, and run every test
#   make help     everything else

VERSION  = 0.2.0
PREFIX   = /usr
DESTDIR  =
BUILD    = build
CC       = gcc
OPTIMIZE = -O2 -g
SANITIZE =
INSTANCES = 3
SUITES   =
PARTS    =

# gcc optimises the daemon as a whole, which saves 5 % of its instructions per visit; its objects
# serve the tests as well. clang's could not: they would be of one kind only.
LTO      = $(if $(SANITIZE),,$(if $(filter %gcc,$(CC)),-flto=auto))
WHOLE    = $(if $(LTO),-fno-lto)

# With sanitizers gcc sees less of what values can be, and warns of lengths that cannot be.
# A user's CFLAGS and LDFLAGS come last, so that they win.
STD      = -std=gnu11 -D_GNU_SOURCE -DH2O_USE_LIBUV=0 -DVISITCOUNTD_VERSION='"$(VERSION)"'
WARN     = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion \
           -Wno-sign-conversion -Werror $(if $(SANITIZE),$(if $(filter %gcc,$(CC)),-Wno-format-truncation))
# A flag that this compiler has, or else nothing. It is tried once, when make starts.
has      = $(shell $(CC) $(CFLAGS) -O2 -Werror $(1) -include stdio.h -x c -c -o /dev/null /dev/null 2>/dev/null && echo '$(1)')
ZERO     = -ftrivial-auto-var-init=zero
INITIALIZE := $(or $(call has,$(ZERO)),$(call has,$(ZERO) -enable-trivial-auto-var-init-zero-knowing-it-will-be-removed-from-clang))
FORTIFY  := $(or $(call has,-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
STACK    := $(call has,-fstack-clash-protection) $(call has,-fcf-protection)
HARDEN   = -fPIE -fstack-protector-strong $(STACK) $(INITIALIZE) $(if $(SANITIZE),,$(FORTIFY))
COMPILE  = $(CC) $(STD) $(WARN) $(OPTIMIZE) $(LTO:%=% -ffat-lto-objects) $(HARDEN) $(SANITIZE) \
           -Isrc -Itests/unit $(GLIB) $(DEFINES) -MMD -MP $(CFLAGS)
LINK     = $(CC) -pie -Wl,-z,relro,-z,now $(SANITIZE) $(WHOLE) $(LDFLAGS)
LIBS     = -lh2o-evloop -lhiredis -ljansson -lconfig -lsqlite3 -lsystemd -lssl -lcrypto -lglib-2.0 -lsodium -lpthread

SOURCES  = $(sort $(wildcard src/*/*.c src/*/*/*.c))
OBJECTS  = $(SOURCES:%.c=$(BUILD)/%.o)
BASE     = $(filter-out %/zone.o,$(filter $(BUILD)/src/base/%,$(OBJECTS)))
DAEMON   = $(BUILD)/cmd/visitcountd.o
CTL      = $(patsubst %.c,$(BUILD)/%.o,$(filter-out cmd/visitcountd.c,$(wildcard cmd/*.c)))
# what visitcountctl reads a journal with
JOURNAL  = $(patsubst %,$(BUILD)/src/journal/%.o,journal_inspect journal_record journal_segment sealed_batch)
SUPPORT  = $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tests/unit/support/*.c)))
UNITS    = $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(sort $(wildcard tests/unit/test_*.c)))
SIM      = $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tests/sim/*.c)))
SIMULATED = $(filter $(BUILD)/src/count/% $(BUILD)/src/journal/%,$(OBJECTS)) $(filter-out %/clock.o %/log.o,$(BASE))
CROWD    = $(BUILD)/tests/faults/crowd
VISITORS = $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard tests/faults/crowd*.c)))
WALL     = $(BUILD)/tests/clock/wall.so
JUDGE    = $(BUILD)/tests/bots/judge
FUZZERS  = $(patsubst tests/fuzz/%.c,$(BUILD)/tests/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

.PHONY: all
all: $(BUILD)/visitcountd $(BUILD)/visitcountctl

$(BUILD)/visitcountd: WHOLE = $(if $(LTO),$(LTO) $(OPTIMIZE))
$(BUILD)/visitcountd: $(DAEMON) $(OBJECTS)
	@echo '  LINK $@'
	@$(LINK) -o $@ $^ $(LIBS)

$(BUILD)/visitcountctl: $(CTL) $(BASE) $(JOURNAL)
	@echo '  LINK $@'
	@$(LINK) -o $@ $^ -ljansson -lpthread

$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	@echo '  CC   $<'
	@$(COMPILE) -c -o $@ $<

$(BUILD)/src/base/zone.o: GLIB = $(patsubst -I%,-isystem %,$(shell pkg-config --cflags glib-2.0))

# what ASSET() embeds
$(BUILD)/src/http/visit/bots.o: src/http/visit/bots.txt
$(BUILD)/src/store/redis/redis_apply.o: src/store/redis/proof.lua src/store/redis/apply.lua
$(BUILD)/src/store/redis/redis_edit.o: src/store/redis/proof.lua src/store/redis/edit.lua \
    src/store/redis/admit.lua src/store/redis/salt.lua
$(BUILD)/src/store/redis/redis_rewrite.o: src/store/redis/lock.lua
$(BUILD)/src/store/redis/redis_ledger.o: src/store/redis/proof.lua src/store/redis/ledger.lua
$(BUILD)/src/store/redis/redis_repair.o: src/store/redis/proof.lua src/store/redis/repair.lua
$(BUILD)/src/store/redis/redis_read.o: src/store/redis/read.lua
$(BUILD)/src/web/web.o: $(wildcard src/web/*.html src/web/*.css src/web/*.js) $(BUILD)/src/web/count.js
$(BUILD)/src/web/web.o: DEFINES = -DWEB_SQUEEZED='"$(BUILD)/src/web/"'

# The snippet is served without comments and without spaces that mean nothing. Comments are whole lines
# or ends of lines, and a comment that begins with "/*!" stays. No text in it has an operator between spaces.
$(BUILD)/src/web/count.js: src/web/count.js Makefile
	@mkdir -p $(@D)
	@sed -E -e 's#(^| +)/\*[^!].*\*/$$##' -e 's/^ +//' -e '/^$$/d' -e 's/ ([=<>&|?:+!*-]+) /\1/g' \
	    -e 's/([,;{}]) /\1/g' -e 's/ ([{}])/\1/g' $< > $@

$(UNITS): $(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(SUPPORT) $(OBJECTS)
	@echo '  LINK $@'
	@$(LINK) -o $@ $^ -lcmocka $(LIBS)

# a driver of our own runs them, or with FUZZ_DRIVER= that of libFuzzer
FUZZ_DRIVER = $(BUILD)/tests/fuzz/driver.o $(BUILD)/tests/fuzz/mutate.o
$(FUZZERS): $(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(FUZZ_DRIVER) $(OBJECTS)
	@echo '  LINK $@'
	@$(LINK) $(FUZZ_LINK) $(WRAPPED:%=-Wl,--wrap=%) -o $@ $^ $(LIBS)

# the real store and link; below them a connection of the fuzzer's
$(BUILD)/tests/fuzz/fuzz_reply: WRAPPED = stream_open stream_is_resolving stream_write stream_close

# the real routes, server and engine; below them a store in memory, clocks that the fuzzer moves, and
# memory that it fills
FILLED = malloc realloc h2o_mem_alloc_pool h2o_mem_alloc_shared
SERVED = $(patsubst %,$(BUILD)/tests/fuzz/%.o,answers fill full_store served) \
         $(patsubst %,$(BUILD)/tests/unit/support/%.o,fake_clock fake_database fake_random fake_store)
$(BUILD)/tests/fuzz/fuzz_server $(BUILD)/tests/fuzz/fuzz_admin: $(SERVED)
$(BUILD)/tests/fuzz/fuzz_server $(BUILD)/tests/fuzz/fuzz_admin: WRAPPED = $(FILLED) getgrnam

# all of visitcountctl but its main(); below it a connection that has its answer already
$(BUILD)/tests/fuzz/fuzz_ctl.o: COMPILE += -Icmd
$(BUILD)/tests/fuzz/fuzz_ctl: $(filter-out %/visitcountctl.o,$(CTL))
$(BUILD)/tests/fuzz/fuzz_ctl: WRAPPED = connect recv

# memory that the fuzzer fills, and a peer that it chooses
$(BUILD)/tests/fuzz/fuzz_headers: $(SERVED)
$(BUILD)/tests/fuzz/fuzz_headers: WRAPPED = $(FILLED) connection_peer

$(JUDGE): $(BUILD)/tests/bots/judge.o $(BUILD)/src/http/visit/bots.o $(BUILD)/src/http/visit/word_list.o \
          $(BUILD)/src/http/visit/device_names.o $(BASE)
	@echo '  LINK $@'
	@$(LINK) -o $@ $^

# a clock that tests set, loaded into programs that are built with sanitizers or not
$(WALL): tests/clock/wall.c Makefile
	@mkdir -p $(@D)
	@echo '  LINK $@'
	@$(CC) $(STD) $(WARN) -O2 -g -fPIC -shared -o $@ $< -ldl

$(CROWD): $(VISITORS)
	@echo '  LINK $@'
	@$(LINK) -o $@ $^

# the real engine and journal; below them a simulated loop, disk, store, clock and system
FILE_CALLS = open openat close mkdir fchmod flock pwrite read fstat fsync fdatasync ftruncate unlinkat \
             fdopendir readdir closedir
EPOCH_CALLS = ledger_init ledger_renew
COMMA := ,
$(BUILD)/sim: $(SIM) $(SIMULATED)
	@echo '  LINK $@'
	@$(LINK) $(patsubst %,-Wl$(COMMA)--wrap=%,$(FILE_CALLS) $(EPOCH_CALLS)) -o $@ $^ -lpthread

-include $(SIM:.o=.d) $(OBJECTS:.o=.d) $(DAEMON:.o=.d) $(CTL:.o=.d) $(SUPPORT:.o=.d) $(UNITS:=.d) \
         $(FUZZERS:=.d) $(patsubst %.c,$(BUILD)/%.d,$(wildcard tests/fuzz/*.c)) $(VISITORS:.o=.d) $(JUDGE).d

.PHONY: unit-tests fuzzers sim crowd wall judge
unit-tests: $(UNITS)
sim: $(BUILD)/sim
fuzzers: $(FUZZERS)
crowd: $(CROWD)
wall: $(WALL)
judge: $(JUDGE)

# --- running ---

.PHONY: run stack
run: deps
	@$(MAKE) --no-print-directory all
	@mkdir -p var/run
	@echo
	@echo "visitcountd: open http://127.0.0.1:8080 (a visit: http://127.0.0.1:8080/count)"
	@echo "visitcountd: status: $(BUILD)/visitcountctl --socket var/run/admin.sock status"
	@echo "visitcountd: Ctrl-C ends it; the counts are kept in var/visitcountd.db"
	@exec $(BUILD)/visitcountd --set store.backend=sqlite --set sqlite.path=var/visitcountd.db \
	    --set admin.socket=var/run/admin.sock --set http.listen=127.0.0.1:8080 \
	    --set dashboard.public=true

stack: deps-stack
	@$(MAKE) --no-print-directory all
	@exec packaging/stack/stack

# --- installing ---

UNITDIR = $(PREFIX)/lib/systemd/system

.PHONY: install uninstall
install: all
	packaging/install "$(BUILD)" "$(DESTDIR)" "$(PREFIX)"

uninstall:
	packaging/install --uninstall "$(DESTDIR)" "$(PREFIX)"

# --- containers ---

.PHONY: images kube
images: all
	packaging/container/build-images

kube:
	packaging/podman/generate $(INSTANCES) > packaging/podman/visitcountd.yaml

# --- what is generated from the sources and kept in the repository ---

.PHONY: generated bots format gallery
generated: all
	packaging/generate-docs $(BUILD)

# the names of bots, from npm packages; judge shows whether the list is right
bots: deps-test
	packaging/generate-bots

gallery: all
	/usr/bin/python3 -m pytest -q -p no:cacheprovider tests/browser/make_gallery.py

format:
	clang-format -i $$(git ls-files --cached --others --exclude-standard '*.c' '*.h')

# --- tests ---

.PHONY: deps deps-stack deps-test deps-bench test quick bench bench-instructions chaos
deps:
	@packaging/deps build
deps-stack:
	@packaging/deps stack
deps-test:
	@packaging/deps test
deps-bench:
	@packaging/deps bench || echo 'deps: what cannot be installed is not measured' >&2

test: deps-test
	@tests/run $(SUITES)

quick: deps-test
	@tests/run quick

bench: deps-bench
	@$(MAKE) --no-print-directory all
	@tests/bench/bench $(PARTS)

bench-instructions: deps-bench
	@$(MAKE) --no-print-directory all
	@tests/bench/bench-instructions

# more of what the suite "sim" runs, from another seed each time; and the proof that it can fail
.PHONY: soak mutants
SEEDS = 100000
FIRST = $(shell date +%s)
soak: sim
	$(BUILD)/sim --first $(FIRST) --seeds $(SEEDS)

mutants: sim all unit-tests fuzzers
	@BUILD=$(BUILD) tests/sim/mutate

# the whole stack under mixed traffic for hours, while its clock passes two days
.PHONY: soak-server
HOURS = 1
soak-server: deps-test
	@$(MAKE) --no-print-directory all crowd wall
	@tests/soak/soak --hours $(HOURS) --results tests/soak/RESULTS.md $(SOAK)

# more of what the suite "fuzz" runs: with coverage, for as long as one likes
.PHONY: fuzz
MINUTES = 10
TARGETS =
fuzz: deps-test
	@$(MAKE) --no-print-directory BUILD=build-fuzz CC=clang OPTIMIZE='-O1 -g' INITIALIZE= FUZZ_DRIVER= \
	    FUZZ_LINK=-fsanitize=fuzzer fuzzers \
	    SANITIZE='-fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all -fno-omit-frame-pointer'
	@tests/fuzz/long build-fuzz $(MINUTES) $(TARGETS)

chaos: deps-test
	@$(MAKE) --no-print-directory all crowd wall
	@tests/faults/chaos --results tests/faults/RESULTS.md $(CHAOS)

.PHONY: clean help
clean:
	rm -rf $(BUILD) build-*

help:
	@sed -n '/^#   make/s/^# *//p' Makefile
	@echo 'make quick        the tests of two minutes; make test SUITES="unit e2e" runs some suites'
	@echo 'make install      DESTDIR= PREFIX=/usr; make uninstall'
	@echo 'make images       container images localhost/visitcountd and those beside it'
	@echo 'make kube         INSTANCES=3: write packaging/podman/visitcountd.yaml'
	@echo 'make generated    renew what is made from the table of options'
	@echo 'make bots         renew the names of bots from the npm packages of tests/bots/package-lock.json'
	@echo 'make gallery      pictures of the badges and the dashboard, for the documents'
	@echo 'make bench        measure, beside what people use instead; PARTS="core direct systems instances pages idle sizes hostile"'
	@echo 'make bench-instructions   the same in instructions and system calls per request'
	@echo 'make soak         SEEDS=100000 FIRST=(now): runs of the simulator, each with faults of its own'
	@echo 'make fuzz         MINUTES=10 TARGETS="server headers": looks for inputs that break what takes them, with libFuzzer'
	@echo 'make soak-server  HOURS=1: the whole stack under mixed traffic, and what grew; writes tests/soak/RESULTS.md'
	@echo 'make mutants      mistakes in the counting code, each of which the simulator must find'
	@echo 'make chaos        1,000 faults under 1,000,000 visits, and the count; writes tests/faults/RESULTS.md; CHAOS="--seed 7"'
	@echo 'make format       clang-format'
	@echo 'make clean'
