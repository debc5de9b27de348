use super::*;
use proptest::prelude::*;

fn query(body: &str) -> Result<Answered<QueryValue>, WireError> {
    decode_query(body.as_bytes(), &mut Interner::default())
}

#[test]
fn a_vector_is_read_whatever_the_order_of_fields() {
    for data in [
        r#"{"resultType":"vector","result":[{"metric":{"a":"x\n\"y\""},"value":[1.5,"2"]}]}"#,
        r#"{"result":[{"value":[1.5,"2"],"metric":{"a":"x\n\"y\""}}],"resultType":"vector","stats":{"x":[1]}}"#,
    ] {
        let answer =
            query(&format!(r#"{{"status":"success","data":{data},"warnings":["w"],"infos":["i"]}}"#))
                .expect("a vector");
        let labels: Labels = [("a", "x\n\"y\"")].into_iter().collect();
        assert_eq!(answer.value, QueryValue::Vector(vec![Sample { labels, time: 1.5, value: 2.0 }]));
        assert_eq!(answer.warnings, ["w", "i"]);
    }
}

#[test]
fn scalars_strings_matrices_and_special_numbers_are_read() {
    let value = |body: &str| query(body).expect("an answer").value;
    assert_eq!(
        value(r#"{"status":"success","data":{"resultType":"scalar","result":[7,"+Inf"]}}"#),
        QueryValue::Scalar { time: 7.0, value: f64::INFINITY }
    );
    assert_eq!(
        value(r#"{"status":"success","data":{"resultType":"string","result":[7,"hi"]}}"#),
        QueryValue::Text("hi".into())
    );
    let QueryValue::Matrix(rows) = value(
        r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"1"],[2,"NaN"]]}]}}"#,
    ) else {
        panic!("not a matrix")
    };
    assert_eq!(rows[0].1[0], (1.0, 1.0));
    assert!(rows[0].1[1].1.is_nan());
}

#[test]
fn an_error_carries_the_servers_words_even_beside_data() {
    let body =
        r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\"","data":null}"#;
    let expected = WireError::Api { kind: "bad_data".into(), message: "invalid parameter \"query\"".into() };
    assert_eq!(query(body), Err(expected.clone()));
    assert_eq!(decode_error(body.as_bytes()), Some(expected));
    assert_eq!(decode_error(b"404 page not found"), None);
}

#[test]
fn garbage_is_an_error() {
    for body in [
        "",
        "{}",
        "[]",
        "<html>",
        r#"{"status":"success"}"#,
        r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"x"]}]}}"#,
        r#"{"status":"success","data":{"resultType":"vector","result":[]}} trailing"#,
        r#"{"status":"success","data":{"resultType":"vector","result":["#,
    ] {
        assert!(query(body).is_err(), "{body}");
    }
}

#[test]
fn alerts_keep_state_value_and_time() {
    let body = r#"{"status":"success","data":{"alerts":[{"labels":{"alertname":"A","n":""},"annotations":{"summary":"s"},"state":"firing","activeAt":"2026-11-23T06:22:40.869123Z","value":"1e+00"},
        {"labels":{"alertname":"B"},"annotations":{},"state":"pending","activeAt":"2026-11-23T06:22:40Z","value":"NaN","keepFiringSince":"2026-11-23T06:22:40Z"}]}}"#;
    let alerts = decode_alerts(body.as_bytes(), &mut Interner::default()).expect("alerts").value;
    assert_eq!(alerts.len(), 2);
    assert!(alerts[0].firing && !alerts[1].firing);
    assert_eq!(alerts[0].value, 1.0);
    assert_eq!(alerts[0].labels.len(), 1, "an empty label is absent");
    assert_eq!(alerts[0].active_at.timestamp_subsec_micros(), 869_123);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode_query(&body, &mut Interner::default());
        let _ = decode_alerts(&body, &mut Interner::default());
    }

    #[test]
    fn a_cut_answer_is_never_taken_for_whole(cut in 0usize..118) {
        let body = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1,"1"]}]},"warnings":["w"]}"#;
        prop_assert!(query(&body[..cut.min(body.len() - 1)]).is_err());
    }
}
