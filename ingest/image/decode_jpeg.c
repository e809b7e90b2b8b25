/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG through libjpeg's API, the only file that uses it.
 *
 * libjpeg reports an error by longjmp. So one function, decode_rows(), holds the setjmp
 * and makes every call into libjpeg; all that it must remember is in struct jpeg_run; and
 * between the two there are only libjpeg's frames and our leaf callbacks. libjpeg's
 * messages are never printed: their codes tell what kind of fault it is.
 *
 * Only the part that the resizer looks at goes through the inverse transform, upsampling
 * and colour conversion; every pixel of it is what decoding the whole image gives.
 *
 * libjpeg fills what it cannot decode and warns. A warning that pixels were made up
 * rejects the image: as truncated where the data ended, as corrupt elsewhere. No warning
 * tells of a component without a scan, nor of arithmetic coding's data that ended. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "ingest/image/decode_codec.h"
#include "ingest/status.h"

/* A progressive image needs a dozen scans; each costs a pass over all of its pixels. */
enum { MAX_SCANS = 100 };

/* Bytes before a marker that no code asked for: so many, in one place, some encoder left
 * there. More, or again and again more than a few, are what is left of a scan that a hole
 * or a changed bit ended early. */
enum { MAX_STRAY = 256, FEW_STRAY = 4 };

struct jpeg_run {
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    const struct decode_job *job;
    JDIMENSION left; /* of the columns that are decoded */
    bool ran_out;    /* libjpeg asked for bytes beyond the end */
    bool too_many_scans;
    bool several_scans; /* make up the image */
    int n_strays;       /* places with more than FEW_STRAY */
    int made_up;        /* code of the first warning that pixels were made up, or 0 */
    char warning[JMSG_LENGTH_MAX]; /* its words */
};

static void on_error(j_common_ptr cinfo)
{
    struct jpeg_run *run = cinfo->client_data;

    longjmp(run->escape, 1);
}

/* What libjpeg's warnings say about pixels. Those that are not named made some up:
 *     HIT_MARKER, JPEG_EOF          zeros for data that are not there
 *     HUFF_BAD_CODE, ARITH_BAD_CODE zeros for a code that there is not
 *     MUST_RESYNC                   rows are missing or at the wrong place
 *     BOGUS_PROGRESSION             bits are missing or come twice
 *     TOO_MUCH_DATA                 never comes here */
static bool is_made_up(struct jpeg_run *run)
{
    const struct jpeg_error_mgr *errors = &run->errors;

    switch (errors->msg_code) {
    case JWRN_EXTRANEOUS_DATA: /* the parameter 0: how many */
        run->n_strays += errors->msg_parm.i[0] > FEW_STRAY;
        return errors->msg_parm.i[0] > MAX_STRAY || run->n_strays > 1;
    case JWRN_NOT_SEQUENTIAL: /* parameters that a sequential scan has no use for */
    case JWRN_ADOBE_XFORM:    /* taken for YCbCr or YCCK, as by everyone */
    case JWRN_JFIF_MAJOR:
    case JWRN_BOGUS_ICC:
        return false;
    case JWRN_BOGUS_PROGRESSION: /* no harm: AC before DC (the parameter 0) */
        return run->cinfo.Ss == 0 || errors->msg_parm.i[1] != 0;
    default:
        return true;
    }
}

/* Levels below 0 are warnings, the others are for tracing. */
static void on_message(j_common_ptr cinfo, int level)
{
    struct jpeg_run *run = cinfo->client_data;

    if (level >= 0 || run->made_up != 0 || !is_made_up(run))
        return;
    run->made_up = cinfo->err->msg_code;
    cinfo->err->format_message(cinfo, run->warning);
}

static void on_output(j_common_ptr cinfo)
{
    (void)cinfo;
}

static void on_progress(j_common_ptr cinfo)
{
    struct jpeg_run *run = cinfo->client_data;

    if (run->cinfo.input_scan_number > MAX_SCANS) {
        run->too_many_scans = true;
        longjmp(run->escape, 1);
    }
}

static void source_begin(j_decompress_ptr cinfo)
{
    (void)cinfo;
}

/* All bytes are there from the start: being asked for more is the end of the data, which
 * libjpeg is told as an end of the image. */
static boolean source_fill(j_decompress_ptr cinfo)
{
    static const JOCTET end_of_image[2] = {0xFF, JPEG_EOI};
    struct jpeg_run *run = cinfo->client_data;

    run->ran_out = true;
    cinfo->src->next_input_byte = end_of_image;
    cinfo->src->bytes_in_buffer = sizeof(end_of_image);
    return TRUE;
}

static void source_skip(j_decompress_ptr cinfo, long n)
{
    if (n <= 0)
        return;
    if ((size_t)n > cinfo->src->bytes_in_buffer) {
        source_fill(cinfo);
    } else {
        cinfo->src->next_input_byte += n;
        cinfo->src->bytes_in_buffer -= (size_t)n;
    }
}

static void source_end(j_decompress_ptr cinfo)
{
    (void)cinfo;
}

static void set_callbacks(struct jpeg_run *run)
{
    run->cinfo.err = jpeg_std_error(&run->errors);
    run->errors.error_exit = on_error;
    run->errors.emit_message = on_message;
    run->errors.output_message = on_output;
    run->cinfo.client_data = run;
    run->source = (struct jpeg_source_mgr){
        .next_input_byte = run->job->bytes,
        .bytes_in_buffer = run->job->len,
        .init_source = source_begin,
        .fill_input_buffer = source_fill,
        .skip_input_data = source_skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = source_end,
    };
    run->progress.progress_monitor = on_progress;
}

/* Stored samples are ink's complements (Adobe's convention, which Pillow takes for all
 * CMYK): 255 is no ink. */
static void cmyk_row_to_rgb(const struct decode_job *job, uint8_t *row, size_t n)
{
    if (job->cmyk) {
        for (size_t i = 0; i < 4 * n; i++)
            row[i] = (uint8_t)(255 - row[i]);
        colour_transform_cmyk(job->cmyk, row, n);
        return;
    }
    for (size_t i = 0; i < n; i++, row += 4)
        for (int c = 0; c < 3; c++)
            row[c] = (uint8_t)((row[c] * row[3] + 127) / 255);
}

/* Whether libjpeg sees the image that the budget was asked for. */
static bool header_agrees(const struct jpeg_run *run)
{
    const struct image_header *info = run->job->header;

    return run->cinfo.image_width == info->width &&
           run->cinfo.image_height == info->height &&
           run->cinfo.num_components == info->channels;
}

/* A progressive image whose scans did not bring all bits of all coefficients is smoothed
 * across blocks, which not all versions of libjpeg do alike in a part of the image. */
static bool is_smoothed(const struct jpeg_decompress_struct *cinfo)
{
    if (!cinfo->progressive_mode || !cinfo->coef_bits)
        return false;
    for (int c = 0; c < cinfo->num_components; c++)
        for (int k = 0; k < DCTSIZE2; k++)
            if (cinfo->coef_bits[c][k] != 0)
                return true;
    return false;
}

/* Whether a part of the image is what the whole image has there. libjpeg's cropping goes
 * wrong where it scales components differently, as it does with rare samplings. */
static bool can_be_cropped(const struct jpeg_run *run)
{
    const struct jpeg_decompress_struct *cinfo = &run->cinfo;
    bool rare = cinfo->max_h_samp_factor > 2 || cinfo->max_v_samp_factor > 2;

    return !is_smoothed(cinfo) && (run->job->eighths == 8 || !rare);
}

/* Leaves out the columns that the window does not need. Pixels next to where libjpeg cuts
 * are upsampled otherwise than in the whole image, so what is a group of blocks at full
 * size is left around. */
static void skip_columns(struct jpeg_run *run, const struct resize_box *window)
{
    struct jpeg_decompress_struct *cinfo = &run->cinfo;
    JDIMENSION margin = (JDIMENSION)(cinfo->max_h_samp_factor * DCTSIZE);
    JDIMENSION left = (JDIMENSION)window->left / margin * margin;
    JDIMENSION right = (JDIMENSION)(window->left + window->width) + margin;
    JDIMENSION width;

    left = left < margin ? 0 : left - margin;
    right = right < cinfo->output_width ? right : cinfo->output_width;
    width = right - left;
    jpeg_crop_scanline(cinfo, &left, &width);
    run->left = left;
}

/* Rows above the window are not transformed, and above means whole groups of blocks. */
static void skip_rows_above(struct jpeg_run *run, const struct resize_box *window)
{
    struct jpeg_decompress_struct *cinfo = &run->cinfo;
    int group = cinfo->max_v_samp_factor * run->job->eighths;
    int above = window->top / group * group;

    if (above > 0) {
        jpeg_skip_scanlines(cinfo, (JDIMENSION)above);
        resize_set_skip(run->job->resizers, above);
    }
}

static void read_rows(struct jpeg_run *run, JDIMENSION end)
{
    struct jpeg_decompress_struct *cinfo = &run->cinfo;

    while (cinfo->output_scanline < end) {
        JSAMPROW row = resize_set_row(run->job->resizers) + (size_t)4 * run->left;
        jpeg_read_scanlines(cinfo, &row, 1);
        if (cinfo->num_components == 4)
            cmyk_row_to_rgb(run->job, row, cinfo->output_width);
        resize_set_row_done(run->job->resizers);
    }
}

/* What lies below the window is decoded, but not transformed, up to the last group of
 * blocks: whether an image is damaged must not depend on where the crop lies. Of several
 * scans all are decoded before the first row. */
static void check_rows_below(struct jpeg_run *run)
{
    struct jpeg_decompress_struct *cinfo = &run->cinfo;
    int group = cinfo->max_v_samp_factor * run->job->eighths;
    JDIMENSION last = (cinfo->output_height - 1) / (JDIMENSION)group * (JDIMENSION)group;

    if (run->several_scans || cinfo->output_scanline > last)
        return;
    if (cinfo->output_scanline < last)
        jpeg_skip_scanlines(cinfo, last - cinfo->output_scanline);
    read_rows(run, last + 1);
}

enum outcome { DONE, FAILED, DISAGREES };

static enum outcome decode_rows(struct jpeg_run *run)
{
    struct jpeg_decompress_struct *cinfo = &run->cinfo;

    if (setjmp(run->escape))
        return FAILED;
    jpeg_create_decompress(cinfo);
    cinfo->src = &run->source;
    cinfo->progress = &run->progress;
    cinfo->mem->max_memory_to_use = (long)run->job->header->need;
    jpeg_read_header(cinfo, TRUE);
    if (!header_agrees(run))
        return DISAGREES;
    cinfo->out_color_space = cinfo->num_components == 4 ? JCS_CMYK : JCS_EXT_RGBX;
    cinfo->dct_method = JDCT_ISLOW;
    cinfo->scale_num = (unsigned)run->job->eighths;
    cinfo->scale_denom = 8;
    run->several_scans = jpeg_has_multiple_scans(cinfo);
    jpeg_start_decompress(cinfo);
    if (run->job->whole || !can_be_cropped(run)) {
        read_rows(run, cinfo->output_height);
        return DONE;
    }
    const struct resize_box window = resize_set_window(run->job->resizers);
    skip_columns(run, &window);
    skip_rows_above(run, &window);
    read_rows(run, (JDIMENSION)(window.top + window.height));
    check_rows_below(run);
    return DONE;
}

static bool is_unsupported(int code)
{
    switch (code) {
#if JPEG_LIB_VERSION < 70
    /* Later interfaces, as Ubuntu's, always know arithmetic coding. */
    case JERR_ARITH_NOTIMPL:
#endif
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_NOTIMPL:
    case JERR_NOT_COMPILED:
    case JERR_CCIR601_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_COMPONENT_COUNT:
        return true;
    default:
        return false;
    }
}

static void explain(struct jpeg_run *run, enum reject_reason reason)
{
    char text[JMSG_LENGTH_MAX];

    run->errors.format_message((j_common_ptr)&run->cinfo, text);
    reject_set(run->job->reject, reason, "%s (%s)",
               reason == REJECT_UNSUPPORTED_FORMAT ? "JPEG of an unsupported kind"
                                                   : "JPEG is damaged",
               text);
}

static int judge_failure(struct jpeg_run *run)
{
    int code = run->errors.msg_code;

    if (run->too_many_scans)
        reject_set(run->job->reject, REJECT_CORRUPT_IMAGE, "JPEG of more than %d scans",
                   MAX_SCANS);
    else if (code == JERR_OUT_OF_MEMORY)
        return INGEST_ENOMEM;
    else if (is_unsupported(code))
        explain(run, REJECT_UNSUPPORTED_FORMAT);
    else
        explain(run, run->ran_out ? REJECT_TRUNCATED_IMAGE : REJECT_CORRUPT_IMAGE);
    return INGEST_OK;
}

/* Whether some scan of each component came, its DC if progressive. libjpeg keeps the
 * table that the first one is to be dequantized with. */
static bool has_all_components(const struct jpeg_decompress_struct *cinfo)
{
    for (int c = 0; c < cinfo->num_components; c++)
        if (!cinfo->comp_info[c].quant_table ||
            (cinfo->coef_bits && cinfo->coef_bits[c][0] < 0))
            return false;
    return true;
}

/* All rows came. Where the data ran out, so did pixels if a code was cut, or if it was
 * before the last of several scans. Arithmetic decoding cannot tell: zeros that it is not
 * given are as good as those that are there. */
static void judge_rows(struct jpeg_run *run)
{
    bool all = has_all_components(&run->cinfo);
    bool cut = run->cinfo.arith_code || !all || is_smoothed(&run->cinfo);

    if (run->ran_out && (cut || run->made_up == JWRN_HIT_MARKER))
        decode_keeps_truncated(run->job, "JPEG data ends before the image does");
    else if (run->made_up != 0)
        reject_set(run->job->reject, REJECT_CORRUPT_IMAGE, "JPEG is damaged (%s)",
                   run->warning);
    else if (!all)
        reject_set(run->job->reject, REJECT_CORRUPT_IMAGE,
                   "JPEG without a scan of each component");
}

int decode_jpeg(const struct decode_job *job)
{
    struct jpeg_run *run = calloc(1, sizeof(*run));
    int rc = INGEST_OK;

    if (!run)
        return INGEST_ENOMEM;
    run->job = job;
    set_callbacks(run);
    switch (decode_rows(run)) {
    case DONE:
        judge_rows(run);
        break;
    case DISAGREES:
        reject_set(job->reject, REJECT_CORRUPT_IMAGE, "JPEG headers disagree");
        break;
    case FAILED:
        rc = judge_failure(run);
        break;
    }
    jpeg_destroy_decompress(&run->cinfo);
    free(run);
    return rc;
}
