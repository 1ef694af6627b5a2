# nghttp2 as the HTTP/2 codec uses it; no other file includes its header. Names are nghttp2's own.
from libc.stdint cimport int32_t, uint8_t, uint16_t, uint32_t, uint64_t

cdef extern from "<nghttp2/nghttp2.h>" nogil:
    ctypedef struct nghttp2_session:
        pass
    ctypedef struct nghttp2_session_callbacks:
        pass
    ctypedef struct nghttp2_option:
        pass
    ctypedef struct nghttp2_rcbuf:
        pass
    ctypedef struct nghttp2_vec:
        uint8_t *base
        size_t len
    ctypedef struct nghttp2_mem:
        void *mem_user_data
        void *(*malloc)(size_t n, void *user) noexcept nogil
        void (*free)(void *block, void *user) noexcept nogil
        void *(*calloc)(size_t n, size_t size, void *user) noexcept nogil
        void *(*realloc)(void *block, size_t n, void *user) noexcept nogil
    ctypedef struct nghttp2_nv:
        uint8_t *name
        uint8_t *value
        size_t namelen
        size_t valuelen
        uint8_t flags
    ctypedef struct nghttp2_settings_entry:
        int32_t settings_id
        uint32_t value
    ctypedef struct nghttp2_frame_hd:
        size_t length
        int32_t stream_id
        uint8_t type
        uint8_t flags
    ctypedef enum nghttp2_headers_category:
        NGHTTP2_HCAT_REQUEST, NGHTTP2_HCAT_RESPONSE, NGHTTP2_HCAT_PUSH_RESPONSE, NGHTTP2_HCAT_HEADERS
    ctypedef struct nghttp2_data:
        nghttp2_frame_hd hd
        size_t padlen
    ctypedef struct nghttp2_headers:
        nghttp2_frame_hd hd
        size_t padlen
        nghttp2_headers_category cat
    ctypedef struct nghttp2_rst_stream:
        nghttp2_frame_hd hd
        uint32_t error_code
    ctypedef struct nghttp2_goaway:
        nghttp2_frame_hd hd
        int32_t last_stream_id
        uint32_t error_code
    ctypedef union nghttp2_frame:
        nghttp2_frame_hd hd
        nghttp2_data data
        nghttp2_headers headers
        nghttp2_rst_stream rst_stream
        nghttp2_goaway goaway
    ctypedef union nghttp2_data_source:
        int fd
        void *ptr
    ctypedef ssize_t (*nghttp2_data_source_read_callback)(nghttp2_session *session, int32_t stream_id, uint8_t *buf, size_t length,
                                                          uint32_t *data_flags, nghttp2_data_source *source,
                                                          void *user_data) noexcept nogil
    ctypedef struct nghttp2_data_provider:
        nghttp2_data_source source
        nghttp2_data_source_read_callback read_callback

    enum:
        NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR, NGHTTP2_INTERNAL_ERROR, NGHTTP2_FLOW_CONTROL_ERROR, NGHTTP2_REFUSED_STREAM
        NGHTTP2_CANCEL, NGHTTP2_CONNECT_ERROR, NGHTTP2_ENHANCE_YOUR_CALM
        NGHTTP2_DATA, NGHTTP2_HEADERS, NGHTTP2_PRIORITY, NGHTTP2_RST_STREAM, NGHTTP2_SETTINGS, NGHTTP2_PUSH_PROMISE, NGHTTP2_PING
        NGHTTP2_GOAWAY, NGHTTP2_WINDOW_UPDATE, NGHTTP2_CONTINUATION
        NGHTTP2_FLAG_NONE, NGHTTP2_FLAG_END_STREAM, NGHTTP2_FLAG_ACK, NGHTTP2_FLAG_PADDED
        NGHTTP2_NV_FLAG_NONE, NGHTTP2_NV_FLAG_NO_INDEX, NGHTTP2_NV_FLAG_NO_COPY_NAME, NGHTTP2_NV_FLAG_NO_COPY_VALUE
        NGHTTP2_DATA_FLAG_EOF, NGHTTP2_DATA_FLAG_NO_END_STREAM, NGHTTP2_DATA_FLAG_NO_COPY
        NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, NGHTTP2_SETTINGS_ENABLE_PUSH, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS
        NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL
        NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES
        NGHTTP2_ERR_WOULDBLOCK, NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE, NGHTTP2_ERR_CALLBACK_FAILURE, NGHTTP2_ERR_DEFERRED
        NGHTTP2_ERR_FLOODED, NGHTTP2_ERR_BAD_CLIENT_MAGIC, NGHTTP2_ERR_NOMEM
        NGHTTP2_ERR_HTTP_HEADER, NGHTTP2_ERR_HTTP_MESSAGING, NGHTTP2_ERR_REFUSED_STREAM

    int nghttp2_session_callbacks_new(nghttp2_session_callbacks **out)
    void nghttp2_session_callbacks_set_on_begin_frame_callback(
        nghttp2_session_callbacks *callbacks, int (*hook)(nghttp2_session *, const nghttp2_frame_hd *, void *) noexcept nogil)
    void nghttp2_session_callbacks_set_on_begin_headers_callback(
        nghttp2_session_callbacks *callbacks, int (*hook)(nghttp2_session *, const nghttp2_frame *, void *) noexcept nogil)
    void nghttp2_session_callbacks_set_on_header_callback2(
        nghttp2_session_callbacks *callbacks,
        int (*hook)(nghttp2_session *, const nghttp2_frame *, nghttp2_rcbuf *, nghttp2_rcbuf *, uint8_t, void *) noexcept nogil)
    void nghttp2_session_callbacks_set_on_invalid_header_callback2(
        nghttp2_session_callbacks *callbacks,
        int (*hook)(nghttp2_session *, const nghttp2_frame *, nghttp2_rcbuf *, nghttp2_rcbuf *, uint8_t, void *) noexcept nogil)
    void nghttp2_session_callbacks_set_on_frame_recv_callback(
        nghttp2_session_callbacks *callbacks, int (*hook)(nghttp2_session *, const nghttp2_frame *, void *) noexcept nogil)
    void nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(
        nghttp2_session_callbacks *callbacks, int (*hook)(nghttp2_session *, const nghttp2_frame *, int, void *) noexcept nogil)
    void nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        nghttp2_session_callbacks *callbacks,
        int (*hook)(nghttp2_session *, uint8_t, int32_t, const uint8_t *, size_t, void *) noexcept nogil)
    void nghttp2_session_callbacks_set_on_frame_send_callback(
        nghttp2_session_callbacks *callbacks, int (*hook)(nghttp2_session *, const nghttp2_frame *, void *) noexcept nogil)
    void nghttp2_session_callbacks_set_on_stream_close_callback(
        nghttp2_session_callbacks *callbacks, int (*hook)(nghttp2_session *, int32_t, uint32_t, void *) noexcept nogil)
    void nghttp2_session_callbacks_set_send_data_callback(
        nghttp2_session_callbacks *callbacks,
        int (*hook)(nghttp2_session *, nghttp2_frame *, const uint8_t *, size_t, nghttp2_data_source *, void *) noexcept nogil)

    int nghttp2_option_new(nghttp2_option **out)
    void nghttp2_option_del(nghttp2_option *option)
    void nghttp2_option_set_no_auto_window_update(nghttp2_option *option, int on)
    void nghttp2_option_set_no_closed_streams(nghttp2_option *option, int on)
    void nghttp2_option_set_peer_max_concurrent_streams(nghttp2_option *option, uint32_t n)
    void nghttp2_option_set_max_deflate_dynamic_table_size(nghttp2_option *option, size_t n)
    void nghttp2_option_set_max_outbound_ack(nghttp2_option *option, size_t n)
    void nghttp2_option_set_max_send_header_block_length(nghttp2_option *option, size_t n)
    void nghttp2_option_set_stream_reset_rate_limit(nghttp2_option *option, uint64_t burst, uint64_t rate)
    void nghttp2_option_set_server_fallback_rfc7540_priorities(nghttp2_option *option, int on)

    int nghttp2_session_server_new3(nghttp2_session **out, const nghttp2_session_callbacks *callbacks, void *user_data,
                                    const nghttp2_option *option, nghttp2_mem *memory)
    int nghttp2_session_client_new3(nghttp2_session **out, const nghttp2_session_callbacks *callbacks, void *user_data,
                                    const nghttp2_option *option, nghttp2_mem *memory)
    void nghttp2_session_del(nghttp2_session *session)
    ssize_t nghttp2_session_mem_recv(nghttp2_session *session, const uint8_t *at, size_t n)
    ssize_t nghttp2_session_mem_send(nghttp2_session *session, const uint8_t **out)
    int nghttp2_session_want_read(nghttp2_session *session)
    int nghttp2_session_want_write(nghttp2_session *session)
    size_t nghttp2_session_get_outbound_queue_size(nghttp2_session *session)
    int nghttp2_session_consume(nghttp2_session *session, int32_t id, size_t n)
    int nghttp2_session_consume_connection(nghttp2_session *session, size_t n)
    int nghttp2_session_resume_data(nghttp2_session *session, int32_t id)
    void *nghttp2_session_get_stream_user_data(nghttp2_session *session, int32_t id)
    int nghttp2_session_set_stream_user_data(nghttp2_session *session, int32_t id, void *user_data)
    uint32_t nghttp2_session_get_remote_settings(nghttp2_session *session, int32_t id)
    int nghttp2_session_set_local_window_size(nghttp2_session *session, uint8_t flags, int32_t id, int32_t size)
    int nghttp2_session_terminate_session(nghttp2_session *session, uint32_t error_code)
    int nghttp2_session_get_last_proc_stream_id(nghttp2_session *session)
    int nghttp2_submit_settings(nghttp2_session *session, uint8_t flags, const nghttp2_settings_entry *entries, size_t n)
    int nghttp2_submit_response(nghttp2_session *session, int32_t id, const nghttp2_nv *fields, size_t n,
                                const nghttp2_data_provider *provider)
    int32_t nghttp2_submit_request(nghttp2_session *session, const void *priority, const nghttp2_nv *fields, size_t n,
                                   const nghttp2_data_provider *provider, void *user_data)
    int32_t nghttp2_submit_headers(nghttp2_session *session, uint8_t flags, int32_t id, const void *priority, const nghttp2_nv *fields,
                                   size_t n, void *user_data)
    int nghttp2_submit_trailer(nghttp2_session *session, int32_t id, const nghttp2_nv *fields, size_t n)
    int nghttp2_submit_rst_stream(nghttp2_session *session, uint8_t flags, int32_t id, uint32_t error_code)
    int nghttp2_submit_ping(nghttp2_session *session, uint8_t flags, const uint8_t *payload)
    int nghttp2_submit_goaway(nghttp2_session *session, uint8_t flags, int32_t last_id, uint32_t error_code, const uint8_t *payload,
                              size_t n)
    int nghttp2_submit_shutdown_notice(nghttp2_session *session)
    nghttp2_vec nghttp2_rcbuf_get_buf(nghttp2_rcbuf *rcbuf)
    int nghttp2_rcbuf_is_static(const nghttp2_rcbuf *rcbuf)
