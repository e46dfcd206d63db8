/* An addon with one function (Node-API). */
#include <node_api.h>

static napi_value answer(napi_env env, napi_callback_info info) {
  napi_value value;
  (void)info;
  return napi_create_int32(env, 42, &value) == napi_ok ? value : NULL;
}

static napi_value init(napi_env env, napi_value exports) {
  napi_value function;
  if (napi_create_function(env, NULL, 0, answer, NULL, &function) != napi_ok) return NULL;
  if (napi_set_named_property(env, exports, "answer", function) != napi_ok) return NULL;
  return exports;
}

NAPI_MODULE(NODE_GYP_MODULE_NAME, init)
