# SPDX-License-Identifier: Apache-2.0
# latentmill's build. `make help` lists the targets.
#
# Out of tree: everything goes below $(BUILD), and another BUILD gives another variant:
#     make BUILD=build/asan CC=clang CXX=clang++ SANITIZE=address,undefined

BUILD    ?= build
CC       ?= cc
CXX      ?= c++
CFLAGS   ?= -O2 -g
CXXFLAGS ?= $(CFLAGS)
PREFIX   ?= /usr/local
SANITIZE ?=
WERROR   ?=

WARNINGS := -Wall -Wextra -Wshadow -Wvla
PACKAGES := libjpeg libwebp libwebpdemux spng libzstd libarchive lcms2 libcrypto libxxhash jansson
sanitize := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)

# One rounding per operation on every machine: no contraction, no fast math.
lm_cflags   = -std=c11 -D_GNU_SOURCE -I. -ffp-contract=off -pthread $(WARNINGS) \
              -Wstrict-prototypes $(WERROR) $(sanitize) $(pkg_cflags) $(CFLAGS)
lm_cxxflags = -std=c++17 -I. -pthread $(WARNINGS) $(WERROR) $(sanitize) $(CXXFLAGS)
lm_ldflags  = -pthread $(sanitize) $(LDFLAGS)
lm_libs     = $(pkg_libs) -lsentencepiece -lm
pkg_cflags := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
pkg_libs   := $(shell pkg-config --libs $(PACKAGES) 2>/dev/null)

INGEST_SRC := \
    ingest/status.c \
    ingest/reject.c

VAE_SRC := \
    vae_encode/status.c

SHARD_SRC := \
    shard/status.c

# SentencePiece's C++ stays in objects of its own that the reader never links.
TOKENIZER_SRC := \
    shard/tokenizer_builtin.c \
    shard/tokenizer_model.c \
    shard/tokenizer_spm.cc

TOOLS_SRC := \
    tools/options.c

UNIT_TESTS := \
    tests/unit/test_tokenizer.c

.PHONY: all help clean
all: $(BUILD)/latentmill

## help: this list
help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

objects = $(patsubst %,$(BUILD)/%.o,$(basename $(1)))
libs    = $(BUILD)/libtools.a $(BUILD)/libtokenizer.a $(BUILD)/libshard.a \
          $(BUILD)/libvae_encode.a $(BUILD)/libingest.a

$(BUILD)/libingest.a: $(call objects,$(INGEST_SRC))
$(BUILD)/libvae_encode.a: $(call objects,$(VAE_SRC))
$(BUILD)/libshard.a: $(call objects,$(SHARD_SRC))
$(BUILD)/libtokenizer.a: $(call objects,$(TOKENIZER_SRC))
$(BUILD)/libtools.a: $(call objects,$(TOOLS_SRC))
$(BUILD)/lib%.a:
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/latentmill: $(BUILD)/tools/main.o $(libs)
	$(CXX) $(lm_ldflags) -o $@ $^ $(lm_libs)

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(lm_cflags) $(isa_$(basename $(notdir $<))) -MMD -MP -c -o $@ $<

$(BUILD)/%.o: %.cc
	@mkdir -p $(@D)
	$(CXX) $(lm_cxxflags) -MMD -MP -c -o $@ $<

$(BUILD)/shard/tokenizer_builtin.o: shard/default/tokenizer.model

# Unit tests: one program a file, cmocka.
unit_programs := $(patsubst tests/unit/%.c,$(BUILD)/tests/unit/%,$(UNIT_TESTS))
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(libs)
	$(CXX) $(lm_ldflags) -o $@ $^ $(lm_libs) -lcmocka

## unit: build and run the unit tests
.PHONY: unit
unit: $(unit_programs)
	@set -e; for t in $(unit_programs); do echo "$$t"; $$t; done

## clean: remove everything that was built
clean:
	rm -rf $(BUILD)

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
