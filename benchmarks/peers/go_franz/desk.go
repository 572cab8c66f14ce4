package main

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	timeout  = 5 * time.Second
	clientID = "SANDBOX_5YTESTONLY000001"
)

// event is what the body is made of; the payment goes into it byte for byte.
type event struct {
	Profile   string          `json:"profile"`
	Outcome   string          `json:"outcome"`
	NotifyURL string          `json:"notifyUrl"`
	Payment   json.RawMessage `json:"payment"`
}

type request struct {
	url       string
	path      string
	order     string
	when      string
	signature string
	body      []byte
}

// desk builds requests and reads answers.
type desk struct {
	private  *rsa.PrivateKey
	peer     *rsa.PublicKey
	trusted  *x509.CertPool
	verifies bool
}

func newDesk() (*desk, error) {
	keys := os.Getenv("BENCH_KEYS")
	private, err := parsed(filepath.Join(keys, "sender-private.pem"), x509.ParsePKCS8PrivateKey)
	if err != nil {
		return nil, err
	}
	peer, err := parsed(filepath.Join(keys, "receiver-public.pem"), x509.ParsePKIXPublicKey)
	if err != nil {
		return nil, err
	}
	authority, err := os.ReadFile(filepath.Join(keys, "ca.pem"))
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(authority)
	d := &desk{trusted: trusted, verifies: os.Getenv("BENCH_VERIFIES") == "1"}
	var isPrivate, isPublic bool
	d.private, isPrivate = private.(*rsa.PrivateKey)
	d.peer, isPublic = peer.(*rsa.PublicKey)
	if !isPrivate || !isPublic {
		return nil, errors.New("the keys in BENCH_KEYS are not RSA keys")
	}
	return d, nil
}

func parsed(file string, parse func([]byte) (any, error)) (any, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no PEM block", file)
	}
	return parse(block.Bytes)
}

// newPartner returns a client whose pool keeps a connection for each call.
func newPartner(d *desk, inFlight int) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: d.trusted},
			MaxIdleConns:        inFlight,
			MaxIdleConnsPerHost: inFlight,
			MaxConnsPerHost:     inFlight,
			DisableCompression:  true,
		},
	}
}

// request builds an event's body and signs it.
func (d *desk) request(value []byte) (*request, error) {
	var read event
	if err := json.Unmarshal(value, &read); err != nil {
		return nil, err
	}
	var ids struct {
		PaymentRequestID string `json:"paymentRequestId"`
		PaymentID        string `json:"paymentId"`
	}
	if err := json.Unmarshal(read.Payment, &ids); err != nil {
		return nil, err
	}
	target, err := url.Parse(read.NotifyURL)
	if err != nil {
		return nil, err
	}
	made := &request{
		url:   read.NotifyURL,
		path:  target.RequestURI(),
		order: ids.PaymentRequestID,
		when:  time.Now().UTC().Format("2006-01-02T15:04:05-07:00"),
		body:  document(&read),
	}
	if strings.HasSuffix(made.path, "PushPayment") {
		made.order = ids.PaymentID
	}
	digest := made.digest(made.when, made.body)
	signature, err := rsa.SignPKCS1v15(rand.Reader, d.private, crypto.SHA256, digest)
	if err != nil {
		return nil, err
	}
	made.signature = "algorithm=RSA256,keyVersion=1,signature=" +
		url.QueryEscape(base64.StdEncoding.EncodeToString(signature))
	return made, nil
}

// digest returns the hash of what is signed: of a request, or of its answer with the answer's time and body.
func (r *request) digest(when string, body []byte) []byte {
	hash := sha256.New()
	io.WriteString(hash, "POST "+r.path+"\n"+clientID+"."+when+".")
	hash.Write(body)
	return hash.Sum(nil)
}

// document puts the result before the members of the payment.
func document(read *event) []byte {
	status, code := "F", "PROCESS_FAIL"
	switch read.Outcome {
	case "SUCCESS":
		status, code = "S", "SUCCESS"
	case "CANCELLED":
		code = "ORDER_IS_CLOSED"
	}
	member := `{"paymentResult":`
	if read.Profile == "alipay-to-merchant" {
		member = `{"notifyType":"PAYMENT_RESULT","result":`
	}
	body := make([]byte, 0, len(read.Payment)+200)
	body = append(body, member...)
	body = append(body, `{"resultStatus":"`+status+`","resultCode":"`+code+
		`","resultMessage":"`+strings.ToLower(code)+`"},`...)
	return append(body, read.Payment[1:]...)
}

// isTold posts a request and tells whether the answer settles the notification: S, or F for good.
func (d *desk) isTold(partner *http.Client, made *request) bool {
	post, err := http.NewRequest(http.MethodPost, made.url, bytes.NewReader(made.body))
	if err != nil {
		return false
	}
	post.Header = http.Header{
		"Client-Id":    {clientID},
		"Request-Time": {made.when},
		"Signature":    {made.signature},
		"Content-Type": {"application/json; charset=UTF-8"},
	}
	response, err := partner.Do(post)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		return false
	}
	if d.verifies && !d.isSigned(made, response.Header, body) {
		return false
	}
	var answer struct {
		Result struct {
			Status string `json:"resultStatus"`
		} `json:"result"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return false
	}
	return answer.Result.Status == "S" || answer.Result.Status == "F"
}

func (d *desk) isSigned(made *request, header http.Header, body []byte) bool {
	_, escaped, found := strings.Cut(header.Get("Signature"), "signature=")
	if !found {
		return false
	}
	text, err := url.QueryUnescape(escaped)
	if err != nil {
		return false
	}
	signature, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return false
	}
	digest := made.digest(header.Get("Response-Time"), body)
	return rsa.VerifyPKCS1v15(d.peer, crypto.SHA256, digest, signature) == nil
}
