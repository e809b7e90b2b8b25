/* SPDX-License-Identifier: Apache-2.0
 *
 * Baseline JPEG through libjpeg: no chroma subsampling, since these pixels have been made
 * smaller already, and Huffman tables of the picture's own.
 *
 * libjpeg reports an error by longjmp: write_rows() holds the setjmp and makes every call
 * into libjpeg, and all that it must remember is in struct jpeg_run. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>
#include <jerror.h>

#include "vae_encode/pixels/picture_file.h"
#include "vae_encode/status.h"

struct jpeg_run {
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr errors;
    struct jpeg_destination_mgr destination;
    jmp_buf escape;
    uint8_t *bytes;
    size_t cap;
};

static void on_error(j_common_ptr cinfo)
{
    struct jpeg_run *run = cinfo->client_data;

    longjmp(run->escape, 1);
}

static void on_output(j_common_ptr cinfo)
{
    (void)cinfo;
}

/* libjpeg begins, or its room is full. */
static void make_room(struct jpeg_run *run, size_t used)
{
    const size_t cap = used > 0 ? 2 * used : run->cap;
    uint8_t *bytes = realloc(run->bytes, cap);

    if (!bytes)
        ERREXIT1(&run->cinfo, JERR_OUT_OF_MEMORY, 0);
    run->bytes = bytes;
    run->cap = cap;
    run->destination.next_output_byte = bytes + used;
    run->destination.free_in_buffer = cap - used;
}

static void destination_begin(j_compress_ptr cinfo)
{
    make_room(cinfo->client_data, 0);
}

static boolean destination_full(j_compress_ptr cinfo)
{
    struct jpeg_run *run = cinfo->client_data;

    make_room(run, run->cap); /* all of it is full, whatever free_in_buffer says */
    return TRUE;
}

static void destination_end(j_compress_ptr cinfo)
{
    (void)cinfo;
}

static void set_up(struct jpeg_run *run, int width, int height)
{
    run->cap = (size_t)width * (size_t)height + 4096;
    run->cinfo.err = jpeg_std_error(&run->errors);
    run->errors.error_exit = on_error;
    run->errors.output_message = on_output;
    run->cinfo.client_data = run;
    run->destination = (struct jpeg_destination_mgr){
        .init_destination = destination_begin,
        .empty_output_buffer = destination_full,
        .term_destination = destination_end,
    };
}

static int write_rows(struct jpeg_run *run, const uint8_t *rgb, int width, int height,
                      int quality)
{
    struct jpeg_compress_struct *cinfo = &run->cinfo;

    if (setjmp(run->escape))
        return -1;
    jpeg_create_compress(cinfo);
    cinfo->dest = &run->destination;
    cinfo->image_width = (JDIMENSION)width;
    cinfo->image_height = (JDIMENSION)height;
    cinfo->input_components = 3;
    cinfo->in_color_space = JCS_RGB;
    jpeg_set_defaults(cinfo);
    jpeg_set_quality(cinfo, quality, TRUE);
    cinfo->comp_info[0].h_samp_factor = cinfo->comp_info[0].v_samp_factor = 1;
    cinfo->dct_method = JDCT_ISLOW;
    cinfo->optimize_coding = TRUE;
    jpeg_start_compress(cinfo, TRUE);
    while (cinfo->next_scanline < cinfo->image_height) {
        JSAMPROW row = (JSAMPROW)rgb + (size_t)cinfo->next_scanline * (size_t)width * 3;

        jpeg_write_scanlines(cinfo, &row, 1);
    }
    jpeg_finish_compress(cinfo);
    return 0;
}

int picture_write_jpeg(const uint8_t *rgb, int width, int height, int quality,
                       struct encoder_file *out, struct vae_why *why)
{
    struct jpeg_run *run = calloc(1, sizeof(*run));
    int rc = VAE_OK;

    if (!run)
        return VAE_ENOMEM;
    set_up(run, width, height);
    if (write_rows(run, rgb, width, height, quality) == 0) {
        *out =
            (struct encoder_file){run->bytes, run->cap - run->destination.free_in_buffer};
        run->bytes = NULL;
    } else if (run->errors.msg_code == JERR_OUT_OF_MEMORY) {
        rc = VAE_ENOMEM;
    } else {
        char text[JMSG_LENGTH_MAX];

        run->errors.format_message((j_common_ptr)&run->cinfo, text);
        rc = vae_fail(why, VAE_EINVAL, "JPEG of %d x %d pixels: %s", width, height, text);
    }
    jpeg_destroy_compress(&run->cinfo);
    free(run->bytes);
    free(run);
    return rc;
}
