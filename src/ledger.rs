//! Record → what the request cost or saved → metrics and journal, beside the requests.
