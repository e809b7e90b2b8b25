# SPDX-License-Identifier: Apache-2.0
# latentmill's build. `make help` lists the targets.
#
# Out of tree: everything goes below $(BUILD), but for the Python tests' packages, which all
# share in $(VENV); another BUILD gives another variant:
#     make BUILD=build/asan CC=clang CXX=clang++ SANITIZE=address,undefined

BUILD    ?= build
CC       ?= cc
CXX      ?= c++
CFLAGS   ?= -O2 -g
CXXFLAGS ?= $(CFLAGS)
PREFIX   ?= /usr/local
VENV     ?= build/venv
SANITIZE ?=
WERROR   ?=

WARNINGS := -Wall -Wextra -Wshadow -Wvla
PACKAGES := libjpeg libwebp libwebpdemux spng libzstd liblzma lcms2 zlib libcrypto libxxhash jansson libpcre2-8 libutf8proc
sanitize := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)

# Fuzzing builds take checksums for right: mutations must reach the code behind them.
sanitize += $(if $(LIBFUZZER),-DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION)

# One rounding per operation on every machine: no contraction, no fast math.
lm_cflags   = -std=c11 -D_GNU_SOURCE -I. -ffp-contract=off -pthread $(WARNINGS) \
              -Wstrict-prototypes $(WERROR) $(sanitize) $(pkg_cflags) $(CFLAGS)
lm_cxxflags = -std=c++17 -I. -pthread $(WARNINGS) $(WERROR) $(sanitize) $(CXXFLAGS)
lm_ldflags  = -pthread $(sanitize) $(LDFLAGS)
tokenizer_libs = -lsentencepiece -lpcre2-8 -lutf8proc -ljansson -lxxhash
lm_libs     = $(pkg_libs) -lbz2 -lsentencepiece -lm
pkg_cflags := $(shell pkg-config --cflags $(PACKAGES) 2>/dev/null)
# Debian 13's lcms2.pc names Little CMS's plug-ins too, which are under the GPL and not used here.
pkg_libs   := $(filter-out -llcms2_fast_float -llcms2_threaded,\
              $(shell pkg-config --libs $(PACKAGES) 2>/dev/null))

INGEST_SRC := \
    ingest/status.c \
    ingest/archive/damage.c \
    ingest/text/utf8.c \
    ingest/archive/decoder.c \
    ingest/archive/gunzip.c \
    ingest/archive/unzstd.c \
    ingest/archive/unbzip2.c \
    ingest/archive/unxz.c \
    ingest/hash_set.c \
    ingest/archive/key.c \
    ingest/archive/tar_header.c \
    ingest/archive/unpack.c \
    ingest/archive/tar.c \
    ingest/text/caption.c \
    ingest/text/caption_json.c \
    ingest/ingest_sample.c \
    ingest/archive/group.c \
    ingest/readers.c \
    ingest/archive/reader_tar.c \
    ingest/text/json_member.c \
    ingest/text/json_scan.c \
    ingest/text/foreign_text.c \
    ingest/text/line_reader.c \
    ingest/text/reader_jsonl.c \
    ingest/text/document_parse.c \
    ingest/text/plain_json.c \
    ingest/reject.c \
    ingest/image/exif.c \
    ingest/image/image_header.c \
    ingest/image/header_jpeg.c \
    ingest/image/header_png.c \
    ingest/image/header_webp.c \
    ingest/image/png_stream.c \
    ingest/image/resize_filter.c \
    ingest/image/resize_axis.c \
    ingest/image/resize_kernel.c \
    ingest/image/resize_portable.c \
    ingest/image/resize_tables.c \
    ingest/image/resize.c \
    ingest/image/resize_set.c \
    ingest/image/colour_profile.c \
    ingest/image/decode_jpeg.c \
    ingest/image/decode_png.c \
    ingest/image/decode_webp.c \
    ingest/image/decode.c

VAE_SRC := \
    vae_encode/cpu/backend_cpu.c \
    vae_encode/backend_ref.c \
    vae_encode/model/build_kl.c \
    vae_encode/model/build_taesd.c \
    vae_encode/model/config.c \
    vae_encode/cpu/cpu_activation.c \
    vae_encode/cpu/cpu_attention.c \
    vae_encode/cpu/cpu_conv.c \
    vae_encode/cpu/cpu_memory.c \
    vae_encode/cpu/cpu_model.c \
    vae_encode/cpu/cpu_portable.c \
    vae_encode/cpu/cpu_tile.c \
    vae_encode/cpu/cpu_winograd.c \
    vae_encode/child/child_frames.c \
    vae_encode/encoder.c \
    vae_encode/pixels/pixels.c \
    vae_encode/pixels/picture_jpeg.c \
    vae_encode/pixels/picture_png.c \
    vae_encode/pixels/picture_webp.c \
    vae_encode/model/families.c \
    vae_encode/model/graph_build.c \
    vae_encode/model/layers.c \
    vae_encode/model/names.c \
    vae_encode/model/network.c \
    vae_encode/model/safetensors.c \
    vae_encode/status.c \
    vae_encode/vae.c \
    vae_encode/default/vae_builtin.c \
    vae_encode/vae_coder.c \
    vae_encode/model/vae_files.c \
    vae_encode/why.c \
    vae_encode/cpu/winograd.c

# The kernels: one source, compiled for each instruction set the compiler's target has.
ifneq ($(filter x86_64-%,$(shell $(CC) -dumpmachine 2>/dev/null)),)
VAE_SRC += \
    vae_encode/cpu/cpu_avx2.c \
    vae_encode/cpu/cpu_avx512.c
INGEST_SRC += \
    ingest/image/resize_avx2.c \
    ingest/image/resize_avx512.c
no_avx    := -mno-avx
no_avx512 := -mno-avx512f
endif
# The trainer's hot path, and what each id goes through: at -O2 gcc 12 leaves their loops scalar.
extra_compose := -O3
extra_planes := -O3
extra_record_check := -O3
# Each must be what its name says, also where CFLAGS ask for -march=native.
extra_cpu_portable := -O3 $(no_avx)
extra_cpu_avx2     := -O3 -mavx2 -mfma $(no_avx512)
extra_cpu_avx512   := -O3 -mavx2 -mfma -mavx512f
extra_resize_portable := -O3
extra_patches := -O3
extra_merge_word := -O3
extra_resize_avx2     := -O3 -mavx2 $(no_avx512)
extra_resize_avx512   := -O3 -mavx512f -mavx512bw -mavx512vl -mavx512vnni

# SentencePiece does not tell its version at run time.
extra_manifest := -DSENTENCEPIECE_VERSION='"$(shell pkg-config --modversion sentencepiece 2>/dev/null)"'
extra_tokenizer_spm := $(extra_manifest)

SHARD_SRC := \
    shard/status.c \
    shard/header.c \
    shard/header_read.c \
    shard/record.c \
    shard/record_check.c \
    shard/file/row.c \
    shard/file/planes.c \
    shard/float16.c \
    shard/draw.c \
    shard/buffer.c \
    shard/canonical_json.c \
    shard/base64.c \
    shard/json_array.c \
    shard/json_depth.c \
    shard/json_read.c \
    shard/file/column.c \
    shard/file/text_frame.c \
    shard/file/block.c \
    shard/index/table.c \
    shard/valid_utf8.c \
    shard/index/outline.c \
    shard/kinds.c \
    shard/parts.c \
    shard/index/part_type.c \
    shard/plan.c \
    shard/file/row_read.c \
    shard/index/column_store.c \
    shard/index/index.c \
    shard/shard_input.c \
    shard/output.c \
    shard/file/sink.c \
    shard/writer.c \
    shard/file/positioned_file.c \
    shard/index/index_read.c \
    shard/file/file_map.c \
    shard/index/index_check.c \
    shard/file/block_read.c \
    shard/index/key_map.c \
    shard/reader.c \
    shard/sequence.c \
    shard/index/dataset_index.c \
    shard/index/dataset_index_write.c \
    shard/file/loaded_block.c \
    shard/python/native/compose.c \
    shard/python/native/prefetch.c

# The Python package's extension: these over the reader's part of shard/, which
# shard/python/setup.py names for pip.
PYTHON_SRC := \
    shard/python/native/module.c \
    shard/python/native/py_block.c \
    shard/python/native/py_record.c \
    shard/python/native/py_buffer.c \
    shard/python/native/patches.c \
    shard/python/native/posterior.c \
    shard/python/native/pack_documents.c \
    shard/python/native/py_compose.c \
    shard/python/native/py_composed.c \
    shard/python/native/py_packing.c \
    shard/python/native/py_tally.c \
    shard/python/native/attention.c \
    shard/python/native/py_attention.c \
    shard/python/native/py_draw.c \
    shard/python/native/py_index.c \
    shard/python/native/py_plan.c \
    shard/python/native/py_sequence.c \
    shard/python/native/py_dataset.c \
    shard/python/native/py_patches.c \
    shard/python/native/py_prefetcher.c \
    shard/python/native/py_shard.c

# The package's other extension: these over TOKENIZER_SRC and what that needs of shard/.
PYTHON_TOKENIZER_SRC := \
    shard/python/native/py_tokenizer.c \
    shard/base64.c \
    shard/buffer.c \
    shard/json_depth.c \
    shard/status.c \
    shard/valid_utf8.c

# SentencePiece's C++ stays in objects of its own that the reader never links.
TOKENIZER_SRC := \
    shard/tokenizer/json/added_tokens.c \
    shard/tokenizer/bpe/bpe.c \
    shard/tokenizer/json/bpe_json.c \
    shard/tokenizer/json/byte_letters.c \
    shard/tokenizer/split/char_classes.c \
    shard/tokenizer/json/json_config.c \
    shard/tokenizer/json/json_pattern.c \
    shard/tokenizer/json/json_whole.c \
    shard/tokenizer/json/lower_case.c \
    shard/tokenizer/bpe/merge_long.c \
    shard/tokenizer/bpe/merge_table.c \
    shard/tokenizer/bpe/merge_word.c \
    shard/tokenizer/json/normal_form.c \
    shard/tokenizer/json/normalizer.c \
    shard/tokenizer/bpe/piece_text.c \
    shard/tokenizer/bpe/pieces.c \
    shard/tokenizer/json/post_processor.c \
    shard/tokenizer/json/pre_tokenizer.c \
    shard/tokenizer/split/regex_property.c \
    shard/tokenizer/split/regex_translate.c \
    shard/tokenizer/split/split.c \
    shard/tokenizer/split/split_known.c \
    shard/tokenizer/split/split_regex.c \
    shard/tokenizer/spm/spm_normalize.c \
    shard/tokenizer/spm/spm_vocabulary.c \
    shard/tokenizer/spm/spm_words.c \
    shard/tokenizer/json/text_decoder.c \
    shard/tokenizer/tiktoken/tiktoken_file.c \
    shard/tokenizer/token_ids.c \
    shard/tokenizer/json/token_trie.c \
    shard/tokenizer/tokenizer_builtin.c \
    shard/tokenizer/spm/tokenizer_charsmap.c \
    shard/tokenizer/json/tokenizer_json.c \
    shard/tokenizer/spm/tokenizer_model.c \
    shard/tokenizer/tokenizer_open.c \
    shard/tokenizer/spm/tokenizer_spm.cc \
    shard/tokenizer/tiktoken/tokenizer_tiktoken.c \
    shard/tokenizer/bpe/word_cache.c \
    shard/tokenizer/bpe/word_cuts.c

TOOLS_SRC := \
    tools/bench/bench.c \
    tools/bench/bench_half.c \
    tools/bench/bench_images.c \
    tools/bench/bench_material.c \
    tools/bench/bench_network.c \
    tools/bench/bench_peak.c \
    tools/bench/bench_prepare.c \
    tools/bench/bench_random.c \
    tools/bench/bench_random_vae.c \
    tools/bench/bench_shard.c \
    tools/bench/bench_signals.c \
    tools/bench/bench_text.c \
    tools/bench/bench_timing.c \
    tools/bench/bench_tokenizer.c \
    tools/run/budget.c \
    tools/store/data_set.c \
    tools/store/data_set_find.c \
    tools/cli/data_set_report.c \
    tools/cli/encoder_options.c \
    tools/prepare/configuration.c \
    tools/dump/dump.c \
    tools/dump/dump_json.c \
    tools/dump/dump_sample.c \
    tools/dump/dump_text.c \
    tools/dump/dump_tokenizer.c \
    tools/run/code_ids.c \
    tools/run/encode_hash.c \
    tools/run/encoding.c \
    tools/export/export.c \
    tools/export/export_columns.c \
    tools/export/export_config.c \
    tools/export/export_index.c \
    tools/export/export_mds.c \
    tools/export/export_models.c \
    tools/export/export_work_list.c \
    tools/export/export_run.c \
    tools/export/export_sample.c \
    tools/export/export_shape.c \
    tools/export/export_unit.c \
    tools/export/export_view.c \
    tools/export/export_webdataset.c \
    tools/prepare/first_shard.c \
    tools/prepare/fittings.c \
    tools/store/folder_walk.c \
    tools/prepare/gather.c \
    tools/prepare/company.c \
    tools/prepare/device_answer.c \
    tools/prepare/device_faults.c \
    tools/prepare/sample_tensors.c \
    tools/prepare/stage_device.c \
    tools/cli/image_options.c \
    tools/index/index_command.c \
    tools/prepare/identity.c \
    tools/run/input.c \
    tools/run/input_list.c \
    tools/run/input_advice.c \
    tools/prepare/input_clash.c \
    tools/run/input_probe.c \
    tools/cli/json_diff.c \
    tools/store/json_text.c \
    tools/cli/latent_options.c \
    tools/run/list_file.c \
    tools/view/loss.c \
    tools/store/manifest.c \
    tools/export/mds_writer.c \
    tools/cli/memory_file.c \
    tools/view/metadata_json.c \
    tools/run/model_advice.c \
    tools/run/models.c \
    tools/run/monitor.c \
    tools/export/npy.c \
    tools/cli/options.c \
    tools/cli/out_folder.c \
    tools/run/parallel.c \
    tools/store/path.c \
    tools/store/path_list.c \
    tools/run/pipeline.c \
    tools/prepare/work_list.c \
    tools/prepare/prepare.c \
    tools/prepare/prepare_options.c \
    tools/cli/print.c \
    tools/prepare/progress.c \
    tools/store/publish.c \
    tools/run/queue.c \
    tools/run/shared_memory.c \
    tools/run/child_process.c \
    tools/run/command_words.c \
    tools/run/child_encoder.c \
    tools/run/child_group.c \
    tools/run/child_hello.c \
    tools/run/device_list.c \
    tools/view/record_view.c \
    tools/prepare/remaining.c \
    tools/prepare/console.c \
    tools/prepare/rival.c \
    tools/prepare/job.c \
    tools/cli/run_options.c \
    tools/prepare/sample.c \
    tools/prepare/sample_record.c \
    tools/prepare/sample_texts.c \
    tools/prepare/select_options.c \
    tools/store/sha256.c \
    tools/cli/shard_operands.c \
    tools/run/input_source.c \
    tools/cli/shell_word.c \
    tools/prepare/stage_encode.c \
    tools/prepare/stage_read.c \
    tools/prepare/stage_write.c \
    tools/store/give_name.c \
    tools/store/store.c \
    tools/store/store_folder.c \
    tools/store/store_stream.c \
    tools/export/tar_writer.c \
    tools/store/temporary.c \
    tools/view/tensor.c \
    tools/run/tokenization.c \
    tools/cli/text_options.c \
    tools/prepare/unit.c \
    tools/prepare/unit_publish.c \
    tools/cli/url.c \
    tools/export/view_file.c \
    tools/export/wds_key.c \
    tools/run/workers.c

UNIT_TESTS := \
    tests/unit/test_data_set.c \
    tests/unit/test_bpe.c \
    tests/unit/test_split.c \
    tests/unit/test_tiktoken.c \
    tests/unit/test_tokenizer_faults.c \
    tests/unit/test_decode.c \
    tests/unit/test_decode_faults.c \
    tests/unit/test_resize.c \
    tests/unit/test_caption.c \
    tests/unit/test_child_frames.c \
    tests/unit/test_child_process.c \
    tests/unit/test_company.c \
    tests/unit/test_read_stage.c \
    tests/unit/test_reader_jsonl.c \
    tests/unit/test_json_scan.c \
    tests/unit/test_reader_jsonl_faults.c \
    tests/unit/test_key.c \
    tests/unit/test_parallel.c \
    tests/unit/test_reader_tar.c \
    tests/unit/test_reader_tar_damage.c \
    tests/unit/test_reader_tar_faults.c \
    tests/unit/test_reader_tar_members.c \
    tests/unit/test_tar_header.c \
    tests/unit/test_unpack.c \
    tests/unit/test_input.c \
    tests/unit/test_input_probe.c \
    tests/unit/test_input_source.c \
    tests/unit/test_print.c \
    tests/unit/test_configuration.c \
    tests/unit/test_encode_hash.c \
    tests/unit/test_encoder.c \
    tests/unit/test_code_ids.c \
    tests/unit/test_pixels.c \
    tests/unit/test_encoding.c \
    tests/unit/test_encode_stage.c \
    tests/unit/test_gather.c \
    tests/unit/test_prepare_options.c \
    tests/unit/test_publish.c \
    tests/unit/test_queue.c \
    tests/unit/test_store.c \
    tests/unit/test_remaining.c \
    tests/unit/test_sample.c \
    tests/unit/test_backend_cpu.c \
    tests/unit/test_cpu_kernels.c \
    tests/unit/test_backend_decode.c \
    tests/unit/test_base64.c \
    tests/unit/test_dataset_index.c \
    tests/unit/test_prefetch.c \
    tests/unit/test_compose.c \
    tests/unit/test_draw.c \
    tests/unit/test_float16.c \
    tests/unit/test_many_parts.c \
    tests/unit/test_plan.c \
    tests/unit/test_random_shards.c \
    tests/unit/test_record_check.c \
    tests/unit/test_sequence.c \
    tests/unit/test_shard_columns.c \
    tests/unit/test_shard_damage.c \
    tests/unit/test_shard_header.c \
    tests/unit/test_shard_index.c \
    tests/unit/test_shard_oom.c \
    tests/unit/test_shard_roundtrip.c \
    tests/unit/test_shard_writer.c \
    tests/unit/test_safetensors.c \
    tests/unit/test_tensor.c \
    tests/unit/test_text_frame.c \
    tests/unit/test_pre_tokenizer.c \
    tests/unit/test_regex_translate.c \
    tests/unit/test_tokenizer.c \
    tests/unit/test_tokenizer_json.c \
    tests/unit/test_utf8.c \
    tests/unit/test_planes.c \
    tests/unit/test_vae_config.c \
    tests/unit/test_vae_decode.c \
    tests/unit/test_vae_golden.c \
    tests/unit/test_vae_layers.c \
    tests/unit/test_vae_oom.c \
    tests/unit/test_vae_open.c \
    tests/unit/test_vae_sd.c \
    tests/unit/test_wds_key.c

# Programs that tests written in other languages run.
TEST_PROGRAMS := \
    tests/programs/list_pairs.c \
    tests/programs/null_encoder.c \
    tests/programs/decode_files.c \
    tests/programs/encode_jpeg.c \
    tests/programs/spm_twin.c \
    tests/programs/tokenize_texts.c \
    tests/programs/write_dump_shards.c \
    tests/programs/write_dataset_index.c \
    tests/programs/write_edits.c \
    tests/programs/write_noise_shards.c \
    tests/programs/write_parts.c \
    tests/programs/write_random_shards.c \
    tests/programs/write_shapes.c \
    tests/programs/write_shards.c

# Libraries that tests put before the C library's calls (LD_PRELOAD).
TEST_INTERPOSERS := \
    tests/programs/interpose.c
# Loaded before the program, whose allocations it lets fail.
FAIL_ALLOCATION := tests/programs/fail_allocation.c

PYTHON_TESTS := \
    tests/python/test_data_set.py \
    tests/python/test_child_encoders.py \
    tests/python/test_documents.py \
    tests/python/test_dataset_index.py \
    tests/python/test_dataset_last.py \
    tests/python/test_dump.py \
    tests/python/test_encoder_protocol.py \
    tests/python/test_reader.py \
    tests/python/test_export.py \
    tests/python/test_encoder_options.py \
    tests/python/test_encoders.py \
    tests/python/test_export_parts.py \
    tests/python/test_export_view.py \
    tests/python/test_pairs.py \
    tests/python/test_pairs_shared.py \
    tests/python/test_parts.py \
    tests/python/test_lazy.py \
    tests/python/test_peers.py \
    tests/python/test_plans.py \
    tests/python/test_shard_format.py \
    tests/python/test_shard_seekable.py \
    tests/python/test_decode_colours.py \
    tests/python/test_decode_crop.py \
    tests/python/test_decode_memory.py \
    tests/python/test_decode_odd.py \
    tests/python/test_odd_exif.py \
    tests/python/test_odd_jpeg.py \
    tests/python/test_odd_png.py \
    tests/python/test_odd_webp.py \
    tests/python/test_prepare_memory.py \
    tests/python/test_prepare_odd.py \
    tests/python/test_resize_pillow.py \
    tests/python/test_codes.py \
    tests/python/test_cut_streams.py \
    tests/python/test_dataset_arguments.py \
    tests/python/test_dataset_compose.py \
    tests/python/test_dataset_counts.py \
    tests/python/test_dataset_draws.py \
    tests/python/test_dataset_mixture.py \
    tests/python/test_dataset_order.py \
    tests/python/test_dataset_packing.py \
    tests/python/test_dataset_sequences.py \
    tests/python/test_dataset_shapes.py \
    tests/python/test_dataset_shards.py \
    tests/python/test_dataset_sources.py \
    tests/python/test_dataset_state.py \
    tests/python/test_shuffle_quality.py \
    tests/python/test_dataset_split.py \
    tests/python/test_dataset_growth.py \
    tests/python/test_dataset_together.py \
    tests/python/test_pages.py \
    tests/python/test_readme.py \
    tests/python/test_tokenizer.py \
    tests/python/test_tokenizer_class.py \
    tests/python/test_tokenizer_json.py \
    tests/python/test_tokenizer_spm.py \
    tests/python/test_tokenizer_tiktoken.py \
    tests/python/test_views.py \
    tests/python/test_wheel.py

# Run by check-trainer, with the packages of tests/requirements-trainer.txt.
# The training comes first: it takes longest.
TRAINER_TESTS := \
    tests/trainer/test_train_tiny.py \
    tests/trainer/test_chain.py \
    tests/trainer/test_export_mds.py \
    tests/trainer/test_export_webdataset.py \
    tests/trainer/test_export_wids.py \
    tests/trainer/test_fill.py \
    tests/trainer/test_flat.py \
    tests/trainer/test_frameworks.py \
    tests/trainer/test_loader.py \
    tests/trainer/test_masks.py \
    tests/trainer/test_order.py \
    tests/trainer/test_readme.py \
    tests/trainer/test_transfusion_pytorch.py

# Run by check-encoders, with the same packages.
ENCODER_TESTS := $(sort $(wildcard tests/encoders/test_*.py))

CLI_TESTS := \
    tests/cli/bench.sh \
    tests/cli/dump.sh \
    tests/cli/index.sh \
    tests/cli/lint.sh \
    tests/cli/lint_tools.sh \
    tests/cli/make.sh \
    tests/cli/memory.sh \
    tests/cli/prepare_bytes.sh \
    tests/cli/prepare_encoders.sh \
    tests/cli/prepare_claims.sh \
    tests/cli/prepare_faults.sh \
    tests/cli/prepare_groups.sh \
    tests/cli/prepare_inputs.sh \
    tests/cli/prepare_no_links.sh \
    tests/cli/prepare_identity.sh \
    tests/cli/prepare_races.sh \
    tests/cli/prepare_refused.sh \
    tests/cli/prepare_result.sh \
    tests/cli/prepare_start.sh \
    tests/cli/prepare_stop.sh \
    tests/cli/prepare_text.sh \
    tests/cli/prepare_tries.sh \
    tests/cli/runner.sh \
    tests/cli/sample_set.sh \
    tests/cli/text_faults.sh \
    tests/cli/usage.sh

# tests/fuzz/X.c; tests/fuzz/corpus/X/ is its corpus.
FUZZ_TARGETS := \
    tests/fuzz/fuzz_child.c \
    tests/fuzz/fuzz_dataset_index.c \
    tests/fuzz/fuzz_decode.c \
    tests/fuzz/fuzz_documents.c \
    tests/fuzz/fuzz_dump.c \
    tests/fuzz/fuzz_safetensors.c \
    tests/fuzz/fuzz_pairs.c \
    tests/fuzz/fuzz_shard.c \
    tests/fuzz/fuzz_tokenizer.c

## all: the program, build/latentmill
.PHONY: all
all: $(BUILD)/latentmill

## help: this list
.PHONY: help
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

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(lm_cflags) $(extra_$(basename $(notdir $<))) -MMD -MP -c -o $@ $<

$(BUILD)/%.o: %.cc $(BUILD)/flags
	@mkdir -p $(@D)
	$(CXX) $(lm_cxxflags) $(extra_$(basename $(notdir $<))) -MMD -MP -c -o $@ $<

$(BUILD)/shard/tokenizer/tokenizer_builtin.o: shard/default/tokenizer.model
$(BUILD)/vae_encode/default/vae_builtin.o: vae_encode/default/diffusion_pytorch_model.safetensors \
    vae_encode/default/config.json

# The Python package, to be found with PYTHONPATH=$(BUILD)/python. Its objects are apart,
# position-independent, and keep all names but the module's to themselves.
python_package := $(BUILD)/python/latentmill
python_include := $(shell python3 -c 'import sysconfig; print(sysconfig.get_path("include"))' 2>/dev/null)
python_objects := $(patsubst %.c,$(BUILD)/python/obj/%.o,$(PYTHON_SRC) \
                  $(filter-out shard/writer.c shard/file/sink.c shard/output.c,$(SHARD_SRC)))
python_tokenizer_objects := $(patsubst %,$(BUILD)/python/obj/%.o,$(basename $(PYTHON_TOKENIZER_SRC) \
                  $(filter-out %_builtin.c,$(TOKENIZER_SRC))))
python_files   := $(patsubst shard/python/latentmill/%,$(python_package)/%,\
                  $(wildcard $(addprefix shard/python/latentmill/,*.py* */*.py)))
## python: the Python package, below $(BUILD)/python
.PHONY: python
python: $(python_package)/_shard.abi3.so $(python_package)/_tokenizer.abi3.so $(python_files)

$(python_package)/_shard.abi3.so: $(python_objects)
	@mkdir -p $(@D)
	$(CC) $(lm_ldflags) -shared -o $@ $^ -lzstd -lxxhash -ljansson

# Of an archive the linker takes what is needed.
$(BUILD)/python/libtokenizer.a: $(filter-out %/py_tokenizer.o,$(python_tokenizer_objects))
	@rm -f $@
	ar rcs $@ $^

$(python_package)/_tokenizer.abi3.so: $(BUILD)/python/obj/shard/python/native/py_tokenizer.o $(BUILD)/python/libtokenizer.a
	@mkdir -p $(@D)
	$(CXX) $(lm_ldflags) -shared -o $@ $^ $(tokenizer_libs)

$(BUILD)/python/obj/%.o: %.cc $(BUILD)/flags
	@mkdir -p $(@D)
	$(CXX) $(lm_cxxflags) $(extra_$(basename $(notdir $<))) -fPIC -fvisibility=hidden -MMD -MP \
	    -c -o $@ $<

$(BUILD)/python/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(lm_cflags) -fPIC -fvisibility=hidden -DPy_LIMITED_API=0x030B0000 \
	    -isystem $(python_include) $(extra_$(basename $(notdir $<))) -MMD -MP -c -o $@ $<

$(python_package)/%: shard/python/latentmill/%
	@mkdir -p $(@D)
	cp $< $@

# What every object depends on besides its sources: the compilers and their flags, those of
# single files too (one of them tells SentencePiece's version).
flags_now := $(CC) $(lm_cflags) $(CXX) $(lm_cxxflags) $(lm_ldflags) \
    $(extra_cpu_portable) $(extra_cpu_avx2) $(extra_cpu_avx512) $(extra_manifest) \
    $(extra_planes) $(extra_patches) $(extra_merge_word) \
    $(extra_resize_portable) $(extra_resize_avx2) $(extra_resize_avx512)
$(BUILD)/flags: $(if $(pkg_libs),,need-packages) force
	@mkdir -p $(@D)
	@echo '$(flags_now)' | cmp -s - $@ || echo '$(flags_now)' > $@
.PHONY: force need-packages
force:
need-packages:
	@tests/packages.sh --missing build

# Tests: a program for each file in C, the libraries linked in.
unit_programs := $(patsubst %.c,$(BUILD)/%,$(UNIT_TESTS))
test_programs := $(patsubst %.c,$(BUILD)/%,$(TEST_PROGRAMS))
interposers   := $(patsubst %.c,$(BUILD)/%.so,$(TEST_INTERPOSERS))
fuzz_programs := $(patsubst %.c,$(BUILD)/%,$(FUZZ_TARGETS))
fuzz_corpora  := $(patsubst tests/fuzz/%.c,tests/fuzz/corpus/%,$(FUZZ_TARGETS))

# Their own malloc(), to fail at each allocation in turn.
$(BUILD)/tests/unit/test_reader_jsonl_faults $(BUILD)/tests/unit/test_reader_tar_faults \
$(BUILD)/tests/unit/test_decode_faults $(BUILD)/tests/unit/test_vae_oom \
$(BUILD)/tests/unit/test_tokenizer_faults: private LDFLAGS += \
    -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=strdup,--wrap=aligned_alloc,--wrap=posix_memalign

# Its own rename(), for what others do just before.
$(BUILD)/tests/unit/test_publish: private LDFLAGS += -Wl,--wrap=rename
$(BUILD)/tests/unit/test_data_set: private LDFLAGS += -Wl,--wrap=closedir
$(BUILD)/tests/unit/test_store: private LDFLAGS += -Wl,--wrap=link,--wrap=renameat2,--wrap=rename,--wrap=gethostname

# The programs need no cmocka: benches run some of them after `make demo`.
$(unit_programs): private test_libs = -lcmocka
$(unit_programs) $(test_programs): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(libs)
	$(CXX) $(lm_ldflags) -o $@ $^ $(lm_libs) $(test_libs)

$(interposers): $(BUILD)/%.so: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE $(WARNINGS) $(WERROR) $(CFLAGS) -fPIC -shared -o $@ $<

# The networks and images that tests of vae_encode/ share.
vae_case_tests := $(filter $(BUILD)/tests/unit/test_vae_%,$(unit_programs))
$(vae_case_tests): $(BUILD)/tests/unit/vae_case.o

# Without libFuzzer a target replays the files it is given.
fuzz_main = $(if $(LIBFUZZER),,$(BUILD)/tests/fuzz/replay.o)
$(fuzz_programs): $(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(fuzz_main) $(libs)
	$(CXX) $(lm_ldflags) $(if $(LIBFUZZER),-fsanitize=fuzzer) -o $@ $^ $(lm_libs)

fail_allocation := $(BUILD)/tests/fail_allocation.so
$(fail_allocation): $(FAIL_ALLOCATION) $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) -std=c11 -D_GNU_SOURCE -pthread $(WARNINGS) -Wstrict-prototypes $(WERROR) $(CFLAGS) \
	    -fPIC -shared -o $@ $<

## demo: make shards from the sample set and print some of them
.PHONY: demo
demo:
	@tests/packages.sh build
	@$(MAKE) --no-print-directory $(parallel) all
	@BUILD='$(BUILD)' tests/demo.sh

## check: build and run all tests; prints what passed, failed and was skipped
.PHONY: check test unit everything
check:
	@tests/packages.sh check
	@$(MAKE) --no-print-directory $(parallel) everything
	@$(MAKE) --no-print-directory test

## test: the same without a look at the installed packages; TESTS="..." runs only these
TESTS = $(if $(SANITIZE),$(sanitized_tests),$(all_tests))
all_tests = $(unit_programs) $(PYTHON_TESTS) $(CLI_TESTS) $(fuzz_corpora)
# Without what is too slow then (the SD-size network, 65,535 parts, runs that compare bytes), what runs no
# code of ours, and what is Python above the extension: draws and patches are in the others.
sanitized_tests = $(filter-out %/test_vae_sd %/test_many_parts %/prepare_bytes.sh %/lint.sh %/lint_tools.sh %/memory.sh %/runner.sh \
    %/test_dataset_last.py %/test_dataset_mixture.py %/test_dataset_order.py %/test_dataset_packing.py %/test_encoder_protocol.py \
    %/test_dataset_sources.py %/test_dataset_state.py %/test_pages.py %/test_parts.py %/test_readme.py \
    %/test_views.py %/test_wheel.py,$(all_tests))
test: everything
	@tests/venv.sh $(VENV)
	@BUILD='$(BUILD)' SANITIZE='$(SANITIZE)' PYTHON='$(VENV)/bin/python' \
	    LINT_VENV='$(LINT_VENV)' tests/run.sh $(TESTS)

## check-trainer: the tests beside the packages that people train with (PyPI: torch, streaming, ...)
TRAINER_VENV ?= build/venv-trainer
.PHONY: check-trainer
check-trainer: everything
	@tests/venv.sh $(TRAINER_VENV) tests/requirements-trainer.txt
	@BUILD='$(BUILD)' PYTHON='$(TRAINER_VENV)/bin/python' TEST_TIMEOUT=600 tests/run.sh $(TRAINER_TESTS)

## check-encoders: the encoders of latentmill.encoders against diffusers and transformers, the same packages
.PHONY: check-encoders
check-encoders: all python
	@tests/venv.sh $(TRAINER_VENV) tests/requirements-trainer.txt
	@PYTHONDONTWRITEBYTECODE= BUILD='$(BUILD)' PYTHON='$(TRAINER_VENV)/bin/python' TEST_TIMEOUT=480 \
	    tests/run.sh $(ENCODER_TESTS)

## check-tokenizers: ids against PyPI's tokenizers, tiktoken and sentencepiece, on every code point and much more (5 minutes)
TOKENIZER_TESTS := tests/python/test_tokenizer_json.py tests/python/test_code_points.py tests/python/test_tokenizer_tiktoken.py \
                   tests/python/test_tokenizer.py
.PHONY: check-tokenizers
check-tokenizers: everything
	@tests/venv.sh $(VENV)
	@BUILD='$(BUILD)' PYTHON='$(VENV)/bin/python' TOKENIZERS_LONG=1 TEST_TIMEOUT=600 tests/run.sh $(TOKENIZER_TESTS)

## check-memory: each command with one failed allocation, at each of its call stacks (4 minutes)
.PHONY: check-memory
check-memory: all $(fail_allocation)
	@BUILD='$(BUILD)' SANITIZE='$(SANITIZE)' python3 tests/faults/allocations.py

## check-sizes: what the index of a million records takes, and of 100,000 shards (half a minute)
.PHONY: check-sizes
check-sizes: $(BUILD)/tests/unit/test_shard_index
	$(BUILD)/tests/unit/test_shard_index 1000000 100000

## unit: only the unit tests
unit: $(unit_programs)
	@BUILD='$(BUILD)' tests/run.sh $(unit_programs)

## everything: all programs, those of the tests too
everything: all python $(unit_programs) $(test_programs) $(interposers) $(fuzz_programs) $(fail_allocation)

## asan: the tests under clang's address and undefined-behaviour sanitizers
.PHONY: asan tsan
asan:
	@TEST_TIMEOUT=300 $(MAKE) --no-print-directory $(parallel) BUILD='$(BUILD)/asan' \
	    CC=clang CXX=clang++ SANITIZE=address,undefined test

## tsan: the tests of tools/ and a small run under clang's thread sanitizer
tsan:
	@TEST_TIMEOUT=300 $(MAKE) --no-print-directory $(parallel) BUILD='$(BUILD)/tsan' \
	    CC=clang CXX=clang++ SANITIZE=thread test TESTS='$(thread_tests)'
thread_tests = $(patsubst %.c,$(BUILD)/tsan/%,$(filter-out %/test_many_parts.c,\
    $(shell grep -lE '"tools/|native/(prefetch|compose)' $(UNIT_TESTS)))) \
    tests/cli/prepare_stop.sh tests/cli/sample_set.sh

## lint: the house rules that a program can check (its packages: LINT_VENV, not VENV)
LINT_VENV ?= build/venv-lint
.PHONY: lint
lint:
	@tests/venv.sh $(LINT_VENV) tests/requirements-lint.txt
	@CC='$(CC)' LINT_VENV='$(LINT_VENV)' tests/lint.sh

## fuzz: build the fuzz targets with clang's libFuzzer and run each for FUZZ_SECONDS (20)
FUZZ_SECONDS ?= 20
.PHONY: fuzz fuzz-programs
fuzz:
	@$(MAKE) --no-print-directory $(parallel) BUILD='$(BUILD)/fuzz' CC=clang CXX=clang++ \
	    SANITIZE=address,undefined,fuzzer-no-link LIBFUZZER=yes fuzz-programs
	@set -e; for name in $(notdir $(fuzz_programs)); do \
	    mkdir -p $(BUILD)/fuzz/found/$$name; \
	    $(BUILD)/fuzz/tests/fuzz/$$name -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=1024 \
	        -artifact_prefix=$(BUILD)/fuzz/found/$$name- \
	        $(BUILD)/fuzz/found/$$name tests/fuzz/corpus/$$name; \
	done
fuzz-programs: $(fuzz_programs)

## bench-peers: what users would pick instead (../shared/bench) and latentmill, alternately; ROWS=taesd,decode
.PHONY: bench-peers
bench-peers: all
	@BUILD='$(BUILD)' python3 tests/bench/peers.py --rows '$(ROWS)' --alternations '$(or $(ALTERNATIONS),0)'

## install: the program, below $(DESTDIR)$(PREFIX)
.PHONY: install
install: all
	install -d '$(DESTDIR)$(PREFIX)/bin'
	install -m 755 $(BUILD)/latentmill '$(DESTDIR)$(PREFIX)/bin/latentmill'

## uninstall: remove what install put there
.PHONY: uninstall
uninstall:
	rm -f '$(DESTDIR)$(PREFIX)/bin/latentmill'

## clean: remove everything that was built
.PHONY: clean
clean:
	rm -rf '$(BUILD)'

# All cores, where the user gave no -j.
parallel = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

all_objects := $(call objects,$(INGEST_SRC) $(VAE_SRC) $(SHARD_SRC) $(TOKENIZER_SRC) $(TOOLS_SRC) \
    tools/main.c $(UNIT_TESTS) $(TEST_PROGRAMS) $(FUZZ_TARGETS) tests/fuzz/replay.c \
    tests/unit/vae_case.c)
.SECONDARY: $(all_objects) $(python_objects) $(python_tokenizer_objects)
.DELETE_ON_ERROR:
-include $(all_objects:.o=.d) $(python_objects:.o=.d) $(python_tokenizer_objects:.o=.d)
